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
    croston_from(buckets, alpha, None)
}

/// What the observations say together: the share of them with a sale, and the mean size of a sale.
#[derive(Debug, Clone, Copy)]
struct Average {
    sale_share: f64,
    size: f64,
}

impl Average {
    /// `None` without a sale.
    fn of(buckets: &[Option<f64>]) -> Option<Self> {
        let observed = buckets.iter().flatten().count() as f64;
        let sales = || buckets.iter().flatten().filter(|demand| **demand > 0.0);
        let sold = sales().count() as f64;
        (sold > 0.0).then(|| Self {
            sale_share: sold / observed,
            size: sales().sum::<f64>() / sold,
        })
    }
}

/// Croston's method from a given start, or from the first sale.
fn croston_from(buckets: &[Option<f64>], alpha: f64, start: Option<Average>) -> f64 {
    let mut smoothed = start.map(|average| (average.size, 1.0 / average.sale_share));
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

/// [`sba`] started at the average of all observations. From the first sale a short series forecasts far too much: that
/// would be no fair baseline.
///
/// ```
/// use features::demand::forecast::{sba, sba_from_average};
/// let launch = [Some(2.0), Some(0.0), Some(0.0), Some(0.0)];
/// assert_eq!(sba(&launch, 0.1), 2.0 * 0.95);
/// assert!(sba_from_average(&launch, 0.1) < 0.7);
/// ```
pub fn sba_from_average(buckets: &[Option<f64>], alpha: f64) -> f64 {
    (1.0 - alpha / 2.0) * croston_from(buckets, alpha, Average::of(buckets))
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
    let mut observed = buckets.iter().flatten().copied();
    let size = observed.clone().find(|demand| *demand > 0.0);
    let begins_with_sale = observed.next().is_some_and(|demand| demand > 0.0);
    let start = size.map(|size| Average {
        sale_share: f64::from(begins_with_sale),
        size,
    });
    tsb_from(buckets, alpha_size, alpha_probability, start)
}

/// [`tsb`] started at the average of all observations, as [`sba_from_average`].
///
/// ```
/// use features::demand::forecast::tsb_from_average;
/// assert_eq!(tsb_from_average(&[Some(2.0), Some(0.0)], 0.0, 0.0), 1.0);
/// ```
pub fn tsb_from_average(buckets: &[Option<f64>], alpha_size: f64, alpha_probability: f64) -> f64 {
    tsb_from(buckets, alpha_size, alpha_probability, Average::of(buckets))
}

fn tsb_from(
    buckets: &[Option<f64>],
    alpha_size: f64,
    alpha_probability: f64,
    start: Option<Average>,
) -> f64 {
    let Some(Average {
        sale_share: mut probability,
        mut size,
    }) = start
    else {
        return f64::NAN;
    };
    for &demand in buckets.iter().flatten() {
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
    use super::{croston, sba, sba_from_average, ses, tsb, tsb_from_average};

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

    #[test]
    fn a_start_at_the_average_stays_there_while_nothing_changes() {
        // Sells four units every second bucket: the average is 2 a bucket.
        let y: Vec<_> = (0..40)
            .map(|week| Some(f64::from(week % 2) * 4.0))
            .collect();
        assert!(near(sba_from_average(&y, 0.1), 2.0 * 0.95));
        assert!((tsb_from_average(&y, 0.1, 0.1) - 2.0).abs() < 0.11);
        assert!(sba_from_average(&[Some(0.0), None], 0.1).is_nan());
        assert!(tsb_from_average(&[None], 0.1, 0.1).is_nan());
    }
}
