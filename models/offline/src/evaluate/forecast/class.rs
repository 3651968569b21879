//! How a product's demand behaves, which decides how well it can be forecast at all.

/// Mean weeks from sale to sale above which demand is intermittent.
const INTERMITTENT_ABOVE_WEEKS: f64 = 1.32;
/// Squared coefficient of variation of the sizes above which they vary.
const VARIED_ABOVE: f64 = 0.49;

/// A class of demand.
///
/// Source: Syntetos, Boylan and Croston (2005), On the categorization of demand patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DemandClass {
    /// Sells in most weeks, steady sizes.
    Smooth,
    /// Sells in most weeks, sizes vary.
    Erratic,
    /// Many weeks without a sale, steady sizes.
    Intermittent,
    /// Many weeks without a sale, sizes vary.
    Lumpy,
}

impl DemandClass {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Smooth, Self::Erratic, Self::Intermittent, Self::Lumpy];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smooth => "smooth",
            Self::Erratic => "erratic",
            Self::Intermittent => "intermittent",
            Self::Lumpy => "lumpy",
        }
    }

    /// The class of a weekly series; masked weeks (`None`) say nothing. `None` without a sale.
    ///
    /// ```
    /// use offline::evaluate::forecast::DemandClass;
    /// assert_eq!(DemandClass::of(&[Some(4.0), None, Some(5.0)]), Some(DemandClass::Smooth));
    /// assert_eq!(DemandClass::of(&[Some(0.0), Some(1.0), Some(9.0)]), Some(DemandClass::Lumpy));
    /// ```
    pub fn of(weeks: &[Option<f64>]) -> Option<Self> {
        let observed = weeks.iter().flatten().count() as f64;
        let sizes: Vec<f64> = weeks
            .iter()
            .flatten()
            .copied()
            .filter(|u| *u > 0.0)
            .collect();
        if sizes.is_empty() {
            return None;
        }
        let sold = sizes.len() as f64;
        let mean = sizes.iter().sum::<f64>() / sold;
        let variance = sizes.iter().map(|size| (size - mean).powi(2)).sum::<f64>() / sold;
        let is_intermittent = observed / sold > INTERMITTENT_ABOVE_WEEKS;
        let varies = variance / (mean * mean) > VARIED_ABOVE;
        Some(match (is_intermittent, varies) {
            (false, false) => Self::Smooth,
            (false, true) => Self::Erratic,
            (true, false) => Self::Intermittent,
            (true, true) => Self::Lumpy,
        })
    }
}
