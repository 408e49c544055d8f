//! Draws: one stream of random numbers, the same for the same seed whatever the version of the library's distributions.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

#[derive(Debug)]
pub(super) struct Trekning(ChaCha8Rng);

impl Trekning {
    pub(super) fn ny(fro: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(fro))
    }

    pub(super) fn tall(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 0 to `grense` − 1; 0 when `grense` is 0. The bias of the remainder does not matter here.
    pub(super) fn under(&mut self, grense: usize) -> usize {
        let grense = (grense as u64).max(1);
        usize::try_from(self.tall() % grense).unwrap_or_default()
    }

    pub(super) fn under_u32(&mut self, grense: u32) -> u32 {
        u32::try_from(self.tall() % u64::from(grense.max(1))).unwrap_or_default()
    }

    pub(super) fn under_i64(&mut self, grense: i64) -> i64 {
        let grense = u64::try_from(grense.max(1)).unwrap_or(1);
        i64::try_from(self.tall() % grense).unwrap_or_default()
    }

    /// True once in `antall` on average.
    pub(super) fn en_av(&mut self, antall: u32) -> bool {
        self.under_u32(antall) == 0
    }

    pub(super) fn promille(&mut self, promille: u32) -> bool {
        promille > 0 && self.under_u32(1000) < promille
    }

    pub(super) fn velg<T: Copy>(&mut self, liste: &[T], ellers: T) -> T {
        let plass = self.under(liste.len());
        liste.get(plass).copied().unwrap_or(ellers)
    }
}
