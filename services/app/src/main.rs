//! stub
mod settings;
fn main() {}
