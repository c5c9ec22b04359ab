//! The store from outside: a model, kills, answers by example, and a real OpenTSDB.

mod answers;
mod differential;
mod given;
mod kill;
mod limits;
mod model;
