//! Stories of one log, and what it survives.

mod appending;
mod damage;
mod folders;
mod golden;
mod producing;
mod retaining;
mod together;
mod world;
