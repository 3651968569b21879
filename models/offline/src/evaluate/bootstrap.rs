//! Bootstrap over customers or products: how far a metric would move with others of the same months.

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// How many resamples; 1,000 gives the ends of a 95 % interval to about a tenth of its width.
    pub resamples: usize,
    /// Equal seeds give equal intervals.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 1000,
            seed: 20_170_101,
        }
    }
}

/// `SplitMix64`: one multiplication-based step per number, good enough to draw customers.
///
/// Source: Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is at least 1. The bias of the multiplication is below `limit` / 2^64.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next_u64()) * limit as u128) >> 64) as usize
    }
}

/// Draws as many customers as there are, with replacement, and says how often each row counts. All rows of a customer
/// come together: rows of one customer at several cut-offs are not independent.
pub(crate) fn draw(
    random: &mut SplitMix64,
    customers: &[u32],
    customer_count: usize,
    weights: &mut [u32],
) {
    let mut counts = vec![0u32; customer_count];
    for _ in 0..customer_count {
        counts[random.below(customer_count)] += 1;
    }
    for (weight, &customer) in weights.iter_mut().zip(customers) {
        *weight = counts[customer as usize];
    }
}

/// The middle 95 % of resampled values (percentile method, linear between neighbours). Resamples without a value are
/// left out; `None` when they are more than one in twenty.
///
/// Source: Efron and Tibshirani (1993), An introduction to the bootstrap, chapter 13.
pub(crate) fn interval(values: &[Option<f64>]) -> Option<[f64; 2]> {
    let mut known: Vec<f64> = values.iter().flatten().copied().collect();
    if known.is_empty() || known.len() * 20 < values.len() * 19 {
        return None;
    }
    known.sort_by(f64::total_cmp);
    // In thousandths of the range: integers, so that the place is exact.
    let at = |thousandths: usize| {
        let place = thousandths * (known.len() - 1);
        let (low, part) = (place / 1000, (place % 1000) as f64 / 1000.0);
        known[low] + part * (known[(low + 1).min(known.len() - 1)] - known[low])
    };
    Some([at(25), at(975)])
}
