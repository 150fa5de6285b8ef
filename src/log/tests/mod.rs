//! Stories of one log, and what it survives.

mod appending;
mod compacting;
mod damage;
mod folders;
mod golden;
mod histories;
mod noise;
mod producing;
mod retaining;
mod swapping;
mod together;
mod world;
