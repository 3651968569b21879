//! What an offer changed, measured against the customers who would have got it and were left alone.
//!
//! Who is in the control group is drawn by a hash, so both groups differ by the offer alone. Compared is whom the policy chose
//! it for, whether or not it reached them (intention to treat). With `p` leavers among those left alone and `q` among those
//! with the offer, retention rises by `p - q`, and the policy's uplift, the share of would-be leavers who stay because of it,
//! is `u = (p - q) / p = 1 - q / p`, if nobody leaves because of an offer.

use libm::{erfc, exp, log, sqrt};

/// Half the width of a 95 % interval in standard deviations.
const Z: f64 = 1.959_963_984_540_054;
/// Fewest customers of a group, and fewest leavers among them: below, the approximations say nothing.
pub const LEAST_PEOPLE: u64 = 100;
/// See [`LEAST_PEOPLE`].
pub const LEAST_LEAVERS: u64 = 10;
/// Points at which the distribution of an uplift is summed.
const GRID: u32 = 2_000;

/// People, and how many of them left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Group {
    /// All.
    pub people: u64,
    /// Those who bought nothing within the horizon.
    pub left: u64,
}

impl Group {
    /// Counts one more.
    pub fn add(&mut self, left: bool) {
        self.people += 1;
        self.left += u64::from(left);
    }

    /// Share of those who stayed.
    pub fn retention(self) -> f64 {
        (self.people - self.left) as f64 / self.people as f64
    }

    /// 95 % interval of the share of those who stayed.
    ///
    /// Source: Wilson (1927), Probable inference, the law of succession, and statistical inference.
    fn wilson(self) -> [f64; 2] {
        let (n, p) = (self.people as f64, self.retention());
        let middle = p + Z * Z / (2.0 * n);
        let spread = Z * sqrt(p * (1.0 - p) / n + Z * Z / (4.0 * n * n));
        [middle - spread, middle + spread].map(|end| end / (1.0 + Z * Z / n))
    }
}

/// Why an uplift stays assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooLittle {
    /// Nobody was left alone.
    #[error(
        "nobody of the control group would have got it, so there is nothing to compare with; give control_group.share of the \
         policy a value above 0"
    )]
    NoControl,
    /// One of the groups is too small.
    #[error(
        "{people} customers and {left} leavers {group}, at least {LEAST_PEOPLE} and {LEAST_LEAVERS} are needed"
    )]
    Few {
        /// Which group.
        group: &'static str,
        /// Its people.
        people: u64,
        /// Its leavers.
        left: u64,
    },
    /// Nobody of a group stayed, so nothing tells how sure the shares are.
    #[error("all {people} customers {group} left")]
    NobodyStayed {
        /// Which group.
        group: &'static str,
        /// Its people.
        people: u64,
    },
    /// What was seen excludes every uplift from 0 to 1.
    #[error("the offer seems to make customers leave; look at it before it is used")]
    Harmful,
}

/// What was measured of an offer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Retention with the offer less that without.
    pub difference: f64,
    /// Its 95 % interval.
    pub difference_interval: [f64; 2],
    /// Would-be leavers who stay because of it, as measured; may be below 0.
    pub uplift: f64,
    /// Its 95 % interval.
    pub uplift_interval: [f64; 2],
    /// First shape of the beta distribution that the policy takes.
    pub alpha: f64,
    /// Second shape.
    pub beta: f64,
}

/// Measures an offer.
pub fn measure(treated: Group, control: Group) -> Result<Measured, TooLittle> {
    if control.people == 0 {
        return Err(TooLittle::NoControl);
    }
    for (group, Group { people, left }) in [("with the offer", treated), ("without it", control)] {
        if people < LEAST_PEOPLE || left < LEAST_LEAVERS {
            return Err(TooLittle::Few {
                group,
                people,
                left,
            });
        }
        if left == people {
            return Err(TooLittle::NobodyStayed { group, people });
        }
    }
    let (ratio, spread) = risk_ratio(treated, control);
    let uplift = 1.0 - ratio;
    let ends = [1.0, -1.0].map(|side| 1.0 - ratio * exp(side * Z * spread));
    if ends[1] < 0.0 {
        return Err(TooLittle::Harmful);
    }
    let (mean, variance) = between_0_and_1(log(ratio), spread);
    let weight = mean * (1.0 - mean) / variance - 1.0;
    Ok(Measured {
        difference: treated.retention() - control.retention(),
        difference_interval: newcombe(treated, control),
        uplift,
        uplift_interval: ends,
        alpha: mean * weight,
        beta: (1.0 - mean) * weight,
    })
}

/// Leavers with the offer over leavers without, and the standard deviation of its logarithm.
///
/// Source: Katz, Baptista, Azen and Pike (1978), Obtaining confidence intervals for the risk ratio in cohort studies.
fn risk_ratio(treated: Group, control: Group) -> (f64, f64) {
    let [(n, x), (m, y)] = [treated, control].map(|g| (g.people as f64, g.left as f64));
    let spread = sqrt(1.0 / x - 1.0 / n + 1.0 / y - 1.0 / m);
    ((x / n) / (y / m), spread)
}

/// 95 % interval of the difference of two retentions, from the intervals of both.
///
/// Source: Newcombe (1998), Interval estimation for the difference between independent proportions, method 10.
pub fn newcombe(treated: Group, control: Group) -> [f64; 2] {
    let (p, q) = (treated.retention(), control.retention());
    let ([p_low, p_high], [q_low, q_high]) = (treated.wilson(), control.wilson());
    let distance = |a: f64, b: f64| sqrt(a * a + b * b);
    [
        p - q - distance(p - p_low, q_high - q),
        p - q + distance(p_high - p, q - q_low),
    ]
}

/// Mean and variance of the uplift, if before anything was seen every value from 0 to 1 was as likely as any other: an offer
/// that seems to do harm by chance gets a small uplift and not a negative one. A beta distribution with the same two
/// moments is what the policy is given.
fn between_0_and_1(log_ratio: f64, spread: f64) -> (f64, f64) {
    let (mut all, mut first, mut second) = (0.0, 0.0, 0.0);
    for step in 0..GRID {
        let uplift = (f64::from(step) + 0.5) / f64::from(GRID);
        let distance = (log(1.0 - uplift) - log_ratio) / spread;
        let weight = exp(-0.5 * distance * distance);
        all += weight;
        first += weight * uplift;
        second += weight * uplift * uplift;
    }
    let mean = first / all;
    (mean, second / all - mean * mean)
}

/// Two-sided probability of a difference as large as this one if the offer changed nothing.
///
/// Source: the pooled test of two proportions, for example Fleiss, Levin and Paik (2003), Statistical Methods for Rates and
/// Proportions, 3.
pub fn by_chance(treated: Group, control: Group) -> f64 {
    let people = (treated.people + control.people) as f64;
    let pooled = (treated.left + control.left) as f64 / people;
    let each = 1.0 / treated.people as f64 + 1.0 / control.people as f64;
    let deviation = sqrt(pooled * (1.0 - pooled) * each);
    let distance = (treated.retention() - control.retention()).abs() / deviation;
    erfc(distance / core::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::SplitMix64;
    use proptest::prelude::*;

    fn chance(random: &mut SplitMix64, share: f64) -> bool {
        (random.next_u64() >> 11) as f64 / ((1u64 << 53) as f64) < share
    }

    /// Customers who each leave with a chance of their own; the offer keeps a share of the leavers.
    fn shop(random: &mut SplitMix64, people: u64, leave: f64, uplift: f64) -> Group {
        let mut group = Group::default();
        for _ in 0..people {
            let own = leave * (0.5 + (random.next_u64() >> 11) as f64 / ((1u64 << 53) as f64));
            let leaves = chance(random, own);
            group.add(leaves && !chance(random, uplift));
        }
        group
    }

    #[test]
    fn a_known_uplift_is_found_within_the_interval() {
        let runs = 1_000;
        for (leave, uplift) in [(0.3, 0.15), (0.5, 0.0), (0.6, 0.4)] {
            let mut random = SplitMix64::new(7);
            let (mut found, mut differences) = (0, 0);
            for _ in 0..runs {
                let control = shop(&mut random, 400, leave, 0.0);
                let treated = shop(&mut random, 3_600, leave, uplift);
                let [low, high] = newcombe(treated, control);
                differences += u32::from((low..=high).contains(&(leave * uplift)));
                if let Ok(measured) = measure(treated, control) {
                    let [low, high] = measured.uplift_interval;
                    found += u32::from((low..=high).contains(&uplift));
                }
            }
            // 95 % less three standard deviations of a binomial of 1 000 are 92.9 %.
            assert!(found >= 930, "{found} of {runs} at {leave}, {uplift}");
            assert!(
                differences >= 930,
                "{differences} of {runs} at {leave}, {uplift}"
            );
        }
    }

    #[test]
    fn the_example_of_the_paper() {
        // Newcombe (1998), table II, case (a), 56/70 - 48/80, method 10: 0.0524 to 0.3339.
        let [treated, control] = [(70, 14), (80, 32)].map(|(people, left)| Group { people, left });
        let [low, high] = newcombe(treated, control);
        assert!(
            (low - 0.0524).abs() < 5e-5 && (high - 0.3339).abs() < 5e-5,
            "{low} {high}"
        );
    }

    proptest! {
        #[test]
        fn what_is_measured_is_in_its_interval_and_fits_the_policy(
            people in 100..5_000_u64, others in 100..5_000_u64, left in 0..=1000_u64, stay in 0..=1000_u64,
        ) {
            let part = |people: u64, thousandths: u64| Group { people, left: people * thousandths / 1000 };
            let (treated, control) = (part(people, left), part(others, stay));
            if let Ok(measured) = measure(treated, control) {
                let within = |[low, high]: [f64; 2], value: f64| (low..=high).contains(&value);
                prop_assert!(within(measured.uplift_interval, measured.uplift));
                prop_assert!(within(measured.difference_interval, measured.difference));
                prop_assert!(measured.alpha > 1e-6 && measured.beta > 1e-6, "{measured:?}");
            }
        }
    }

    #[test]
    fn too_little_is_said_and_how_much_is_enough() {
        let group = |people, left| Group { people, left };
        let none = measure(group(500, 50), group(0, 0)).unwrap_err();
        assert!(none.to_string().contains("control_group.share"), "{none}");
        let all_left = measure(group(100, 100), group(100, 100)).unwrap_err();
        assert_eq!(
            all_left.to_string(),
            "all 100 customers with the offer left"
        );
        let few = measure(group(500, 50), group(99, 20)).unwrap_err();
        assert_eq!(
            few.to_string(),
            "99 customers and 20 leavers without it, at least 100 and 10 are needed"
        );
        assert_eq!(
            measure(group(1_000, 500), group(1_000, 200)),
            Err(TooLittle::Harmful)
        );
    }
}
