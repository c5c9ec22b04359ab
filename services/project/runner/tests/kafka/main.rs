//! The loops on Kafka.

mod projection;
mod share;
