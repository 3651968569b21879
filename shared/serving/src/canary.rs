//! Canaries that stop by themselves: what is noted of both arms, and when that says stop.
//!
//! Each environment notes about whom it answered, with which score, and for whom it failed, and adds that now and then to a
//! [`Sample`] that all environments share. The sample holds *entities*, each once, however often they are asked about and by how many
//! environments: requests of one customer are alike, so counting them would take one unlucky customer for many.
//!
//! Both arms are noted at the same rate: of the larger one, those whose id falls by its hash into the share that makes it as large
//! as the other. So whoever is noted belongs to the canary with a chance of one half, whatever else is true of him, as long as the
//! versions do the same. That is what the [`judge`] tests.
//!
//! A sample is of one day of one canary; the next day begins anew, with what is true then.

pub mod judge;
mod sample;
mod trial;

pub use judge::{Stop, judge};
pub use sample::{ArmSample, Sample, cell_of};
pub use trial::{Trial, Trials};

#[cfg(test)]
mod tests;
