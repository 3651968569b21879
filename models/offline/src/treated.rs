//! Customers who got an offer: what they did then says what the offer did, and not what they would have done.

use crate::shop::Shop;
use churn::Churn;
use features::time::Timestamp;
use serde::Deserialize;
use serving::batch::limits::Limits;
use serving::batch::name::Text;
use serving::batch::rows::Rows;
use serving::batch::shape::{Field, RowShape};
use serving::error::CallerError;
use serving::predictor::Predictor;
use serving::wire::parse_instant;
use std::collections::BTreeMap;

/// What a row holds.
static ROWS: RowShape = RowShape {
    list: None,
    id: "customer_id",
    kind: churn::CUSTOMER,
    whole: &[],
    fields: &[Field::text("customer_id"), Field::text("at")],
    around: &[],
    order_lines: None,
    answer: "",
    columns: &[],
    key: |_| None,
};

/// A row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    customer_id: String,
    at: String,
}

/// When customers got offers, and how long an offer acts.
#[derive(Debug, Clone, PartialEq)]
pub struct Treated {
    got: BTreeMap<String, Vec<Timestamp>>,
    horizon_days: f64,
}

impl Treated {
    /// Those of the file that the shop names, if it names one. Offers change whether customers leave, so of what other functions learn
    /// from nothing is left out.
    pub fn of<P: Predictor>(shop: &Shop) -> Result<Self, String> {
        let horizon_days = f64::from(shop.training.horizon_days);
        let path = shop.training.treated.as_ref();
        let Some(path) = path.filter(|_| P::NAME == Churn::NAME) else {
            let got = BTreeMap::new();
            return Ok(Self { got, horizon_days });
        };
        let text = std::fs::read(path).map_err(|error| error.to_string());
        let read = text.and_then(|text| Self::read(&text, horizon_days));
        read.map_err(|reason| format!("training.treated, {}: {reason}", path.display()))
    }

    /// Reads a CSV file with `customer_id` and `at`, an instant (RFC 3339) or the day of the offer; every wrong row is an error,
    /// for what is left out here would teach the model the effect of an offer.
    pub fn read(text: &[u8], horizon_days: f64) -> Result<Self, String> {
        let mut split = Rows::new(Text::Csv, &ROWS, &Limits::default());
        let mut rows = Vec::new();
        let pushed = split.push(text, &mut rows);
        let pushed = pushed.and_then(|()| split.finish(&mut rows));
        pushed.map_err(|fault| fault.to_string())?;
        let mut got: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in rows {
            let place = |reason: String| format!("row {}: {reason}", row.number);
            let body = row.body.as_ref();
            let body = body.map_err(|reject| place(reject.reason.clone()))?;
            let told = serde_json::from_slice(body).map_err(|error| place(error.to_string()));
            let Told { customer_id, at } = told?;
            let at = instant(&at, "at").map_err(|error| place(error.to_string()))?;
            got.entry(customer_id).or_default().push(at);
        }
        Ok(Self { got, horizon_days })
    }

    /// Whether an offer may have changed a label: it acts for one horizon, and some of that lies in the label's window.
    pub fn touches(&self, customer_id: &str, cutoff: Timestamp) -> bool {
        let horizon_days = self.horizon_days;
        let until = cutoff.plus_days(horizon_days);
        let mut got = self.got.get(customer_id).into_iter().flatten();
        got.any(|at| at.plus_days(horizon_days) > cutoff && *at < until)
    }
}

/// The file that [`Treated::read`] reads, of ids and instants.
pub fn written(got: &[(String, String)]) -> String {
    let rows = got.iter().map(|(id, at)| format!("{},{at}\n", quoted(id)));
    ["customer_id,at\n".to_owned()]
        .into_iter()
        .chain(rows)
        .collect()
}

/// A field of a CSV file, by RFC 4180.
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// An instant, or a day's first.
pub(crate) fn instant(text: &str, name: &str) -> Result<Timestamp, CallerError> {
    let whole = if text.len() == "2026-01-31".len() {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    parse_instant(&whole, name).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_whatever_the_ids() {
        let ids = [
            "1", "a,b", "a\nb\r\n", "\"", " \"a\" ", "=1+1", "'x", "ünï;\t",
        ];
        let at = "2025-03-01T08:00:00Z";
        let got: Vec<_> = ids
            .iter()
            .map(|id| ((*id).to_owned(), at.to_owned()))
            .collect();
        let instants = vec![instant(at, "at").unwrap()];
        let expected = ids.map(|id| (id.to_owned(), instants.clone()));
        let read = Treated::read(written(&got).as_bytes(), 28.0).unwrap();
        assert_eq!(read.got, expected.into_iter().collect());
    }

    #[test]
    fn a_window_is_touched_by_every_offer_that_acts_in_it() {
        let text = b"customer_id,at\nK1,2025-03-01\nK1,2025-05-01T08:00:00Z\nK2,2025-03-01\n";
        let treated = Treated::read(text, 28.0).unwrap();
        let touches = |id: &str, cutoff: &str| {
            let cutoff = parse_instant(cutoff, "").unwrap().0;
            treated.touches(id, cutoff)
        };
        assert!(touches("K1", "2025-03-01T12:00:00Z"));
        assert!(touches("K1", "2025-02-02T00:00:00Z"));
        assert!(
            !touches("K1", "2025-02-01T00:00:00Z"),
            "its window ended before"
        );
        assert!(touches("K1", "2025-03-28T00:00:00Z"), "it still acts");
        assert!(
            !touches("K1", "2025-04-01T00:00:00Z"),
            "the first is over, the second comes later"
        );
        assert!(touches("K1", "2025-04-20T00:00:00Z"));
        assert!(!touches("K3", "2025-03-01T00:00:00Z"));
        let wrong = Treated::read(b"customer_id,at\nK1,yesterday\n", 28.0).unwrap_err();
        assert!(wrong.starts_with("row 2: "), "{wrong}");
    }
}
