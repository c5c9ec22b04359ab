//! The prober against sites and an API of a few lines, which are slow, broken, away and untrusted when they are told to.

mod answers;
mod certificates;
mod controls;
mod lists;
mod load;
mod prober;
mod site;
mod stub;
