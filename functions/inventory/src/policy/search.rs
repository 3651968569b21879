//! The first number from which on a condition holds: conditions that, once met, stay met.

/// The smallest double in `low..=high` for which `holds`, which it must for `high`.
pub(super) fn first_real(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return high;
        }
        *(if holds(middle) { &mut high } else { &mut low }) = middle;
    }
}

/// The smallest whole number above `low` up to `high` for which `holds`, which it must for `high`; both whole.
pub(super) fn first_whole(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = f64::midpoint(low, high).floor();
        if middle <= low || middle >= high {
            return high;
        }
        *(if holds(middle) { &mut high } else { &mut low }) = middle;
    }
}
