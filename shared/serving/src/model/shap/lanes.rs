//! Room that the passes down and up the trees work in.

use super::{MAX_POINTS, PathTree};

/// What the passes know of every slot, one lane per point.
pub(super) struct Lanes<const N: usize> {
    /// Down: the product over the path's columns. Up: the sum of the leaves below.
    pub(super) product: Vec<[f64; N]>,
    /// Whether the row passes all splits so far on the column just above: `o`. At the root `o` and `z` are 1.
    pub(super) open: Vec<bool>,
    /// What every column has added so far.
    pub(super) columns: Vec<[f64; N]>,
}

impl<const N: usize> Lanes<N> {
    /// None at all where no tree has these points.
    fn new(slots: usize, columns: usize) -> Self {
        Self {
            product: vec![[0.0; N]; slots],
            open: (0..slots).map(|slot| slot == 0).collect(),
            columns: vec![[0.0; N]; if slots == 0 { 0 } else { columns }],
        }
    }

    /// Adds what the columns have to their values, and begins anew.
    fn move_into(&mut self, values: &mut [f64]) {
        for (value, lanes) in values.iter_mut().zip(&mut self.columns) {
            *value += std::mem::replace(lanes, [0.0; N]).iter().sum::<f64>();
        }
    }
}

/// Room for the passes, used again for every tree and row.
pub(super) struct Work {
    pub(super) two: Lanes<2>,
    pub(super) four: Lanes<4>,
    pub(super) six: Lanes<6>,
    pub(super) eight: Lanes<MAX_POINTS>,
}

impl Work {
    /// For these trees.
    pub(super) fn new<'t>(trees: impl IntoIterator<Item = &'t PathTree>, columns: usize) -> Self {
        let mut slots = [0; 4];
        for tree in trees {
            // By 2, 4, 6, and 8 points or more.
            let most = &mut slots[(tree.points.len() / 2).clamp(1, 4) - 1];
            *most = tree.slots.len().max(*most);
        }
        let [two, four, six, eight] = slots;
        Self {
            two: Lanes::new(two, columns),
            four: Lanes::new(four, columns),
            six: Lanes::new(six, columns),
            eight: Lanes::new(eight, columns),
        }
    }

    pub(super) fn take_values(&mut self, columns: usize) -> Vec<f64> {
        let mut values = vec![0.0; columns];
        self.two.move_into(&mut values);
        self.four.move_into(&mut values);
        self.six.move_into(&mut values);
        self.eight.move_into(&mut values);
        values
    }
}
