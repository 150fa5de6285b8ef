//! Stories of consumer groups, with a clock that is moved by hand.

mod assignors;
mod fencing;
mod joining;
mod patterns;
mod random;
mod scale;
mod statics;
