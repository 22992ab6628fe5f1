//! What is wrong is said in one sentence with a documented exit code, and leaves no trace.

mod artifacts;
mod data;
mod interrupts;
mod models;
mod outputs;
#[path = "../shell/mod.rs"]
mod shell;
