//! The sink on the embedded log: whatever is sent, fails and crashes, each good point is stored once and each bad one has its letter.

mod faults;
mod generated;
mod given;
mod half;
mod model;
mod replayed;
mod world;
