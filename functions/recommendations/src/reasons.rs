//! Why an item is shown: what the customer did, or exact shares of the sum that brought it.

use crate::answer::{Because, Reason, ReasonKind};
use crate::artifacts::Artifacts;
use crate::candidates::{Source, weight};
use crate::plan::Choice;
use crate::prepare::Prepared;
use features::items::{ItemIndex as _, ItemState};
use features::time::Timestamp;

/// Items that a reason names.
const NAMED: usize = 3;

/// The reason of a choice.
pub(crate) fn reason(
    choice: &Choice,
    prepared: &Prepared,
    as_of: Timestamp,
    artifacts: &Artifacts,
) -> Reason {
    let Some(item) = choice.item.filter(|_| choice.source != Source::Pinned) else {
        return plain(ReasonKind::ShopsChoice, "the shop recommends it".to_owned());
    };
    let with_cart = prepared
        .asked
        .first()
        .map(|asked| with_cart(item, prepared, &asked.cart.items));
    let own = prepared.customer.item(item).map(|own| buys_it(own, as_of));
    let found = with_cart
        .flatten()
        .or(own)
        .or_else(|| with_purchases(item, prepared));
    found.unwrap_or_else(|| match choice.source {
        Source::Category => sells_in_category(item, prepared),
        Source::Static => plain(ReasonKind::ShopsChoice, "the shop recommends it".to_owned()),
        _ => sells(item, prepared, artifacts),
    })
}

fn plain(kind: ReasonKind, text: String) -> Reason {
    Reason {
        kind,
        text,
        because_of: Vec::new(),
        others_share: None,
    }
}

fn buys_it(own: &ItemState, as_of: Timestamp) -> Reason {
    let days = as_of.days_since(own.rhythm.last_at);
    let last = match days {
        days if days < 1.0 => "less than a day ago".to_owned(),
        days if days < 2.0 => "a day ago".to_owned(),
        days => format!("{days:.0} days ago"),
    };
    let gap_days = own.rhythm.gap_days();
    let text = if gap_days.is_nan() {
        format!("you bought it {last}")
    } else if gap_days < 1.5 {
        format!("you buy it about every day, last {last}")
    } else {
        format!("you buy it about every {gap_days:.0} days, last {last}")
    };
    plain(ReasonKind::BuysIt, text)
}

/// Shares of the affinity to the cart; of what buyers of the cart's items also buy where there is none.
fn with_cart(item: u32, prepared: &Prepared, cart: &[u32]) -> Option<Reason> {
    let tables = &prepared.tables;
    let parts = |weight: &dyn Fn(u32) -> f64| cart.iter().map(|of| (*of, weight(*of))).collect();
    let affinities: Vec<(u32, f64)> = parts(&|of| tables.baskets.weight(of, item));
    shared(ReasonKind::GoesWithCart, affinities, prepared).or_else(|| {
        let likes = parts(&|of| tables.likes.weight(of, item));
        shared(ReasonKind::GoesWithCart, likes, prepared)
    })
}

fn with_purchases(item: u32, prepared: &Prepared) -> Option<Reason> {
    let states = prepared.customer.items.iter();
    let part = |own: &ItemState| {
        (
            own.item,
            weight(own) * prepared.tables.likes.weight(own.item, item),
        )
    };
    shared(
        ReasonKind::GoesWithPurchases,
        states.map(part).collect(),
        prepared,
    )
}

/// The strongest parts with their shares; `None` when nothing adds anything.
fn shared(kind: ReasonKind, mut parts: Vec<(u32, f64)>, prepared: &Prepared) -> Option<Reason> {
    parts.retain(|(_, part)| *part > 0.0);
    let total: f64 = parts.iter().map(|(_, part)| part).sum();
    let catalogue = &prepared.tables.catalogue;
    crate::fit::best(&mut parts, |item| catalogue.popularity(item), NAMED);
    let because_of: Vec<Because> = parts
        .iter()
        .map(|(item, part)| Because {
            product_id: catalogue.id(*item).to_owned(),
            share: part / total,
        })
        .collect();
    let first = because_of.first()?;
    let text = match kind {
        ReasonKind::GoesWithCart => format!("goes with {} in your cart", first.product_id),
        _ => format!("buyers of {}, which you buy, also buy it", first.product_id),
    };
    let named: f64 = because_of.iter().map(|because| because.share).sum();
    Some(Reason {
        kind,
        text,
        others_share: Some((1.0 - named).max(0.0)),
        because_of,
    })
}

fn sells_in_category(item: u32, prepared: &Prepared) -> Reason {
    let catalogue = &prepared.tables.catalogue;
    let name = catalogue.category_name(catalogue.category(item));
    let [_, orders, _] = catalogue.orders(item);
    let text = if name.is_empty() {
        format!("{orders} orders of four weeks have it")
    } else {
        format!("{orders} orders of four weeks have it, among the most of {name}")
    };
    plain(ReasonKind::SellsInCategory, text)
}

fn sells(item: u32, prepared: &Prepared, artifacts: &Artifacts) -> Reason {
    let [_, orders, _] = prepared.tables.catalogue.orders(item);
    let [_, all, _] = artifacts.orders;
    plain(
        ReasonKind::Sells,
        format!("{orders} of {all} orders of four weeks have it"),
    )
}
