//! Stories of one log, and what it survives.

mod appending;
mod damage;
mod producing;
mod retaining;
mod world;
