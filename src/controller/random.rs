//! Chance that can be repeated: a small generator (xoshiro256++) from a seed that is handed in.

use crate::types::Uuid;

pub struct Random([u64; 4]);

impl Random {
    pub fn new(seed: [u8; 32]) -> Random {
        let mut state = [0; 4];
        for (word, bytes) in state.iter_mut().zip(seed.chunks_exact(8)) {
            *word = bytes.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        }
        if state == [0; 4] {
            state[0] = 1;
        }
        Random(state)
    }

    pub fn draw(&mut self) -> u64 {
        let [a, b, c, d] = self.0;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.0 = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "there is no number below zero");
        (self.draw() % bound as u64) as usize
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// An id that is not one of the reserved ones and does not begin with a dash, which tools take for an option.
    pub fn uuid(&mut self) -> Uuid {
        loop {
            let bits = (u128::from(self.draw()) << 64) | u128::from(self.draw());
            let id = Uuid::from_random(bits.to_be_bytes());
            if !id.is_reserved() && id.0[0] >> 2 != 62 {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_tells_the_same_story_and_no_id_begins_with_a_dash() {
        let (mut one, mut other) = (Random::new([7; 32]), Random::new([7; 32]));
        for _ in 0..1000 {
            let id = one.uuid();
            assert_eq!(id, other.uuid());
            assert!(!id.to_string().starts_with('-'));
        }
    }
}
