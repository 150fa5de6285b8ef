//! Stories of one log, and what it survives.

mod appending;
mod damage;
mod folders;
mod producing;
mod retaining;
mod world;
