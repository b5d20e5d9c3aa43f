//! The seed of random tests: printed when drawn, taken from `SEED` when given.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// A seed, and the generators that come of it.
#[derive(Debug, Clone, Copy)]
pub struct Seed(u64);

impl Seed {
    /// The seed of the environment variable `SEED`, or a fresh one; printed either way.
    #[must_use]
    pub fn draw() -> Seed {
        let given = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(rand::random);
        println!("SEED={seed}");
        Seed(seed)
    }

    /// The seed itself.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// The generator of one of several workers: the same seed and worker give the same numbers.
    #[must_use]
    pub fn generator(self, worker: u64) -> StdRng {
        StdRng::seed_from_u64(self.0 ^ worker.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}
