//! The list of predictors. A new one is one line in each of the two places here.

use serving::predictor::Predictor;

pub use {churn, inventory, recommendations};

/// Runs a generic function for the predictor of a name: `for_predictor!(name, run::<P>(arguments))`.
///
/// The name is checked by clap against [`NAMES`], so another one cannot arrive here.
#[macro_export]
macro_rules! for_predictor {
    ($name:expr, $run:ident::<P>($($argument:expr),* $(,)?)) => {{
        use serving::predictor::Predictor as _;
        match $name {
            $crate::functions::churn::Churn::NAME => $run::<$crate::functions::churn::Churn>($($argument),*),
            $crate::functions::inventory::Inventory::NAME => $run::<$crate::functions::inventory::Inventory>($($argument),*),
            $crate::functions::recommendations::Recommendations::NAME => $run::<$crate::functions::recommendations::Recommendations>($($argument),*),
            other => unreachable!("predictor {other} is not in the list"),
        }
    }};
}

/// Names of all predictors.
pub const NAMES: [&str; 3] = [
    churn::Churn::NAME,
    inventory::Inventory::NAME,
    recommendations::Recommendations::NAME,
];
