//! What happened in the made-up shop, before it is written down badly.

use super::random::Random;

/// 2023-01-01T00:00:00+01:00, the shop's first second.
pub(super) const OPENING: i64 = 1_672_527_600;
/// 2024-07-01T00:00:00+02:00.
pub(super) const CLOSING: i64 = 1_719_784_800;
/// Monday 2023-08-14, local time: the till is broken for a week.
const OUTAGE: std::ops::Range<i64> = 1_691_964_000..1_692_568_800;
const DAY: f64 = 86_400.0;

/// Postage, and what else is on invoices and is no product.
pub(super) const FEES: [(&str, i64); 4] = [
    ("VERSAND", 490),
    ("VERSAND-EU", 1290),
    ("GEBÜHR Kreditkarte", 150),
    ("GUTSCHEIN", 1000),
];

/// One product of the range.
#[derive(Debug, Clone)]
pub(super) struct Product {
    /// The free text the shop uses as its code.
    pub(super) sku: String,
    pub(super) group: &'static str,
    pub(super) price: i64,
}

/// One order as it happened.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) at: i64,
    /// None for a guest.
    pub(super) customer: Option<usize>,
    pub(super) lines: Vec<Position>,
}

/// One position of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) item: Item,
    /// Thousandths; negative when it comes back.
    pub(super) milli: i64,
    /// Cents for one unit.
    pub(super) price: i64,
    /// Cents off the position.
    pub(super) discount: i64,
}

/// An index into the range, or into [`FEES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Product(usize),
    Fee(usize),
}

/// The range: codes with quotes, semicolons, umlauts and blanks, as small shops write them.
pub(super) fn range(random: &mut Random) -> Vec<Product> {
    const KINDS: [(&str, &str); 8] = [
        ("Müsli \"Omas Art\"", "Frühstück"),
        ("Räucherlachs; geschnitten", "Fisch"),
        ("Käse 48 % i.Tr.", "Käse & Co."),
        ("Öl, kaltgepresst", "Öle"),
        ("Tee Nr.", "Tee"),
        ("Süßes – Mischung", "Süßwaren"),
        ("Brot 'Holzofen'", "Backwaren"),
        ("Grüße-Karte", "Papeterie"),
    ];
    (0..240)
        .map(|index| {
            let (kind, group) = KINDS[index % KINDS.len()];
            let price = 199 + (random.gamma(1.5) * 700.0) as i64;
            Product {
                sku: format!("{kind} {:03}/{}", index / KINDS.len() + 1, 100 + index),
                group,
                price,
            }
        })
        .collect()
}

/// All orders, sorted by time. Customers buy at gamma-distributed rates and leave after a purchase with a probability
/// of their own (BG/NBD), so that a churn model has something to find.
pub(super) fn orders(random: &mut Random, customers: usize, range: &[Product]) -> Vec<Order> {
    let mut orders: Vec<Order> = (0..customers)
        .flat_map(|customer| life(random, customer, range))
        .collect();
    let guests = orders.len() / 20;
    orders.extend((0..guests).map(|_| {
        let at = OPENING + (random.uniform() * (CLOSING - OPENING) as f64) as i64;
        Order {
            id: String::new(),
            at,
            customer: None,
            lines: basket(random, range, None),
        }
    }));
    orders.retain(|order| !OUTAGE.contains(&order.at) && (OPENING..CLOSING).contains(&order.at));
    orders.sort_by_key(|order| (order.at, order.customer));
    for (index, order) in orders.iter_mut().enumerate() {
        order.id = format!("RE-{}", 100_000 + index);
    }
    let returns: Vec<Order> = orders
        .iter()
        .filter_map(|order| comes_back(random, order))
        .collect();
    orders.extend(returns);
    orders.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    orders
}

fn life(random: &mut Random, customer: usize, range: &[Product]) -> Vec<Order> {
    let mean_gap_days = 26.0 / (random.gamma(1.3) / 1.3).max(0.02);
    let leaves = random.beta(0.9, 9.0);
    let favourite = random.below(range.len());
    let started = random.uniform() * 420.0 - 60.0;
    let mut day = started;
    let mut orders = Vec::new();
    while day < 560.0 {
        if day >= 0.0 {
            let at = OPENING + (day * DAY) as i64;
            orders.push(Order {
                id: String::new(),
                at,
                customer: Some(customer),
                lines: basket(random, range, Some(favourite)),
            });
        }
        if random.happens(leaves) {
            break;
        }
        day += random.exponential() * mean_gap_days;
    }
    orders
}

fn basket(random: &mut Random, range: &[Product], favourite: Option<usize>) -> Vec<Position> {
    let count = 1 + (random.exponential() * 1.6) as i64;
    let mut lines: Vec<Position> = (0..count.min(12))
        .map(|index| {
            // Twice drawn prefers the front of the range: a few products make most of the sales.
            let spread = random.below(range.len());
            let popular = random.below(spread + 1);
            let product = favourite
                .filter(|_| index == 0 && random.happens(0.6))
                .unwrap_or(popular);
            let milli = if range[product].group == "Käse & Co." {
                250 * random.between(1, 8)
            } else {
                1000 * random.between(1, 3)
            };
            let price = range[product].price;
            let discount = if random.happens(0.12) {
                price * milli / 10_000
            } else {
                0
            };
            Position {
                item: Item::Product(product),
                milli,
                price,
                discount,
            }
        })
        .collect();
    if random.happens(0.35) {
        let fee = [0, 0, 0, 1, 2, 3][random.below(6)];
        lines.push(Position {
            item: Item::Fee(fee),
            milli: 1000,
            price: FEES[fee].1,
            discount: 0,
        });
    }
    lines
}

/// Some orders are cancelled the day after, under their number with `ST` before it, and written with either sign; of
/// others one position is sent back on an invoice of its own.
fn comes_back(random: &mut Random, order: &Order) -> Option<Order> {
    let chance = random.uniform();
    let at = order.at + (DAY * (1.0 + random.uniform() * 12.0)) as i64;
    if at >= CLOSING || OUTAGE.contains(&at) || chance > 0.05 {
        return None;
    }
    let sign = if random.happens(0.3) { 1 } else { -1 };
    let back = |position: &Position, sign: i64| Position {
        milli: sign * position.milli,
        ..*position
    };
    let (id, lines) = if chance < 0.02 {
        (
            format!("ST-{}", order.id),
            order
                .lines
                .iter()
                .map(|position| back(position, sign))
                .collect(),
        )
    } else {
        (format!("{}-R", order.id), vec![back(&order.lines[0], -1)])
    };
    Some(Order {
        id,
        at,
        customer: order.customer,
        lines,
    })
}
