//! Forecasters for one series of buckets (weeks), oldest first: the fallback of short histories, and the baselines.
//!
//! A bucket is `None` when nobody could buy in it: it changes nothing, it is not zero. Every forecast is the demand
//! expected in each coming bucket, NaN when nothing was observed.

/// Observations whose mean starts exponential smoothing.
const START: usize = 4;

/// Simple exponential smoothing, started at the mean of the first four observations.
///
/// Source: Brown (1959), Statistical Forecasting for Inventory Control.
///
/// ```
/// use features::demand::forecast::ses;
/// let steady = [Some(4.0), None, Some(4.0), Some(4.0), Some(4.0), Some(8.0)];
/// assert_eq!(ses(&steady, 0.5), 6.0);
/// ```
pub fn ses(buckets: &[Option<f64>], alpha: f64) -> f64 {
    let observed = || buckets.iter().flatten();
    let start: Vec<f64> = observed().take(START).copied().collect();
    if start.is_empty() {
        return f64::NAN;
    }
    let level = start.iter().sum::<f64>() / start.len() as f64;
    observed()
        .skip(START)
        .fold(level, |level, demand| level + alpha * (demand - level))
}

/// Croston's method for intermittent demand: smoothed size over smoothed interval, both moved by sales only. NaN
/// without a sale. The first interval counts from the first bucket.
///
/// Source: Croston (1972), Forecasting and stock control for intermittent demands.
///
/// ```
/// use features::demand::forecast::croston;
/// assert_eq!(croston(&[Some(0.0), Some(6.0), Some(0.0)], 0.1), 3.0);
/// ```
pub fn croston(buckets: &[Option<f64>], alpha: f64) -> f64 {
    let mut smoothed: Option<(f64, f64)> = None;
    let mut interval = 0.0;
    for &demand in buckets.iter().flatten() {
        interval += 1.0;
        if demand <= 0.0 {
            continue;
        }
        smoothed = Some(smoothed.map_or((demand, interval), |(size, gap)| {
            (
                size + alpha * (demand - size),
                gap + alpha * (interval - gap),
            )
        }));
        interval = 0.0;
    }
    smoothed.map_or(f64::NAN, |(size, gap)| size / gap)
}

/// Croston's method with the bias of its ratio taken off.
///
/// Source: Syntetos and Boylan (2005), The accuracy of intermittent demand estimates.
///
/// ```
/// use features::demand::forecast::sba;
/// assert_eq!(sba(&[Some(3.0)], 0.1), 3.0 * 0.95);
/// ```
pub fn sba(buckets: &[Option<f64>], alpha: f64) -> f64 {
    (1.0 - alpha / 2.0) * croston(buckets, alpha)
}

/// Teunter, Syntetos and Babai: the probability of a sale is updated in every bucket, so a product that stops selling
/// fades. Size starts at the first sale, probability at zero, or at one when the first bucket has a sale. NaN without a
/// sale.
///
/// Source: Teunter, Syntetos and Babai (2011), Intermittent demand: linking forecasting to inventory obsolescence.
///
/// ```
/// use features::demand::forecast::tsb;
/// assert_eq!(tsb(&[Some(2.0), Some(0.0)], 0.5, 0.5), 1.0);
/// ```
pub fn tsb(buckets: &[Option<f64>], alpha_size: f64, alpha_probability: f64) -> f64 {
    let observed = || buckets.iter().flatten().copied();
    let Some(mut size) = observed().find(|demand| *demand > 0.0) else {
        return f64::NAN;
    };
    let mut probability = f64::from(observed().next().is_some_and(|demand| demand > 0.0));
    for demand in observed() {
        if demand > 0.0 {
            size += alpha_size * (demand - size);
            probability += alpha_probability * (1.0 - probability);
        } else {
            probability -= alpha_probability * probability;
        }
    }
    size * probability
}

#[cfg(test)]
mod tests {
    use super::{croston, sba, ses, tsb};

    const Y: [f64; 20] = [
        0., 0., 3., 0., 0., 0., 5., 0., 2., 0., 0., 0., 0., 4., 0., 1., 0., 0., 6., 0.,
    ];

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 1e-12 * expected.abs()
    }

    #[test]
    fn published_answers() {
        let y = Y.map(Some);
        assert!(near(croston(&y, 0.1), 1.063_500_298_560_059_5));
        assert!(near(sba(&y, 0.1), 1.010_325_283_632_056_4));
        assert!(near(tsb(&y, 0.2, 0.2), 1.134_601_890_923_633));
    }

    #[test]
    fn a_masked_bucket_is_no_zero() {
        let with = [Some(2.0), None, Some(4.0), None, None];
        let without = [Some(2.0), Some(4.0)];
        for method in [
            |y: &[_]| ses(y, 0.3),
            |y: &[_]| sba(y, 0.3),
            |y: &[_]| tsb(y, 0.3, 0.3),
        ] {
            assert!(near(method(&with), method(&without)));
        }
        assert!(ses(&[None, None], 0.1).is_nan() && croston(&[Some(0.0)], 0.1).is_nan());
        assert!(ses(&[], 0.1).is_nan() && tsb(&[Some(0.0), None], 0.1, 0.1).is_nan());
    }
}
