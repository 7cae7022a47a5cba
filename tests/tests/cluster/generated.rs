//! Values that look random and are the same in every run: a failure shows itself again.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// A source of such values.
pub(crate) struct Generator {
    state: u64,
}

impl Generator {
    /// Another one for each name.
    pub(crate) fn new(name: &str) -> Self {
        let hash = HEXLOWER.encode(&Sha256::digest(name.as_bytes()));
        Self { state: u64::from_str_radix(&hash[..16], 16).unwrap_or(1) | 1 }
    }

    /// A number below `most`, which is above 0. (xorshift64*, Vigna 2016)
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let number = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap_or(0) % most
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}
