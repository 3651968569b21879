//! What recommendations are asked.

use features::history::CustomerHistory;
use features::time::Timestamp;
use serde::{Deserialize, Serialize};
use serving::batch::shape::{Field, RowShape};
use serving::error::{CallerError, Error};
use serving::wire::{
    InlineHistory, check_id, check_text, parse_body, parse_instant, shown, value_error, within,
};
use std::sync::Arc;

/// Items of one answer at most.
pub const ITEMS_LIMIT: usize = 100;
/// Items of one answer where the request does not say.
const ITEMS_DEFAULT: usize = 10;
/// Items of a cart.
pub const CART_LIMIT: usize = 200;
/// Entries of any other list of a request.
pub const LIST_LIMIT: usize = 1000;

/// Where the items are shown, which decides what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// What the customer buys next, new or not.
    Home,
    /// Of what the customer bought before, what comes next.
    BuyAgain,
    /// What the customer never bought.
    Discover,
    /// What is missing in the cart.
    Cart,
    /// The same for a cart that was left, with what became of its items.
    AbandonedCart,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    customer_id: Option<String>,
    history: Option<InlineHistory>,
    #[serde(default)]
    cart: Vec<String>,
    k: Option<u64>,
    surface: Option<Surface>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    include_categories: Vec<String>,
    in_stock_only: Option<bool>,
    #[serde(default)]
    diversity: f64,
    #[serde(default)]
    age_verified: bool,
    as_of: Option<String>,
}

/// `POST /v1/recommendations`.
#[derive(Debug)]
pub struct Request {
    /// Whose history is read from the store; nobody's when left out.
    pub customer_id: Option<String>,
    /// Given in the request instead.
    pub history: Option<Arc<CustomerHistory>>,
    /// Product ids.
    pub cart: Vec<String>,
    /// Items wanted, from 0 to [`ITEMS_LIMIT`].
    pub k: usize,
    /// Where they are shown.
    pub surface: Surface,
    /// Product ids that must not be shown.
    pub exclude: Vec<String>,
    /// Names of the only categories wanted; all when empty.
    pub include_categories: Vec<String>,
    /// Whether what is not known to be there is left out.
    pub in_stock_only: bool,
    /// From 0, the best items whatever they are, to 1, as many categories as there are.
    pub diversity: f64,
    /// Whether items of age-restricted categories may be shown.
    pub age_verified: bool,
    /// The instant to answer for; the handler's clock when left out.
    pub as_of: Option<Timestamp>,
}

impl Request {
    /// Parses a body.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let body: Body = parse_body(body)?;
        if let Some(id) = &body.customer_id {
            check_id(id, "/customer_id")?;
        }
        check_list(&body.cart, CART_LIMIT, "/cart")?;
        check_list(&body.exclude, LIST_LIMIT, "/exclude")?;
        check_list(&body.include_categories, LIST_LIMIT, "/include_categories")?;
        let surface = body.surface.unwrap_or(if body.cart.is_empty() {
            Surface::Home
        } else {
            Surface::Cart
        });
        within("diversity", body.diversity, 0.0, 1.0)
            .map_err(|reason| value_error("/diversity".to_owned(), reason))?;
        let history = body.history.map(|history| history.parse("/history"));
        let as_of = body.as_of.map(|text| parse_instant(&text, "/as_of"));
        Ok(Self {
            customer_id: body.customer_id,
            history: history.transpose()?.map(Arc::new),
            cart: body.cart,
            k: items_wanted(body.k, "/k")?,
            surface,
            exclude: body.exclude,
            include_categories: body.include_categories,
            in_stock_only: body.in_stock_only.unwrap_or(true),
            diversity: body.diversity,
            age_verified: body.age_verified,
            as_of: as_of.transpose()?.map(|(at, _)| at),
        })
    }

    /// The request of `GET /v1/customers/{customer_id}/recommendations?k=&surface=&as_of=`.
    pub fn for_customer(customer_id: &str, query: &[(String, String)]) -> Result<Self, Error> {
        check_id(customer_id, "customer_id")?;
        let mut request = Self {
            customer_id: Some(customer_id.to_owned()),
            history: None,
            cart: Vec::new(),
            k: ITEMS_DEFAULT,
            surface: Surface::Home,
            exclude: Vec::new(),
            include_categories: Vec::new(),
            in_stock_only: true,
            diversity: 0.0,
            age_verified: false,
            as_of: None,
        };
        for (name, value) in query {
            match name.as_str() {
                "k" => request.k = items_wanted(Some(whole_number(value, name)?), name)?,
                "surface" => request.surface = surface_named(value, name)?,
                "as_of" => request.as_of = Some(parse_instant(value, name)?.0),
                other => {
                    let reason = format!(
                        "unknown query parameter {}, expected k, surface or as_of",
                        shown(other)
                    );
                    return Err(value_error(name.clone(), reason).into());
                }
            }
        }
        Ok(request)
    }
}

fn items_wanted(k: Option<u64>, pointer: &str) -> Result<usize, CallerError> {
    let k = k.unwrap_or(ITEMS_DEFAULT as u64);
    if k <= ITEMS_LIMIT as u64 {
        return Ok(k as usize);
    }
    let reason = format!("{k} items, at most {ITEMS_LIMIT} allowed");
    Err(value_error(pointer.to_owned(), reason))
}

fn whole_number(text: &str, name: &str) -> Result<u64, CallerError> {
    let refuse = |_| {
        let reason = format!(
            "{} is not a whole number from 0 to {ITEMS_LIMIT}",
            shown(text)
        );
        value_error(name.to_owned(), reason)
    };
    text.parse().map_err(refuse)
}

fn surface_named(text: &str, name: &str) -> Result<Surface, CallerError> {
    let surfaces = [
        ("home", Surface::Home),
        ("buy_again", Surface::BuyAgain),
        ("discover", Surface::Discover),
    ];
    let found = surfaces.iter().find(|(known, _)| *known == text);
    found.map(|(_, surface)| *surface).ok_or_else(|| {
        let reason = format!("{} is not home, buy_again or discover", shown(text));
        value_error(name.to_owned(), reason)
    })
}

fn check_list(texts: &[String], limit: usize, pointer: &str) -> Result<(), CallerError> {
    if texts.len() > limit {
        let reason = format!("{} entries, at most {limit} allowed", texts.len());
        return Err(value_error(pointer.to_owned(), reason));
    }
    for (at, text) in texts.iter().enumerate() {
        check_text(text, &format!("{pointer}/{at}"))?;
    }
    Ok(())
}

/// A row of a file is a request of its own: whom to recommend to, and what `POST /v1/recommendations` takes beside.
pub static ROWS: RowShape = RowShape {
    list: None,
    id: "customer_id",
    fields: &[
        Field::text("customer_id"),
        Field::json("history"),
        Field::json("cart"),
        Field::json("k"),
        Field::text("surface"),
        Field::json("exclude"),
        Field::json("include_categories"),
        Field::json("in_stock_only"),
        Field::json("diversity"),
        Field::json("age_verified"),
        Field::text("as_of"),
    ],
    around: &[],
    answer: "",
    columns: &[
        ("surface", "/surface"),
        ("as_of", "/as_of"),
        ("fallback", "/fallback"),
        ("product_1", "/items/0/product_id"),
        ("reason_1", "/items/0/reason/text"),
        ("product_2", "/items/1/product_id"),
        ("reason_2", "/items/1/reason/text"),
        ("product_3", "/items/2/product_id"),
        ("reason_3", "/items/2/reason/text"),
        ("product_4", "/items/3/product_id"),
        ("product_5", "/items/4/product_id"),
        ("product_6", "/items/5/product_id"),
        ("product_7", "/items/6/product_id"),
        ("product_8", "/items/7/product_id"),
        ("product_9", "/items/8/product_id"),
        ("product_10", "/items/9/product_id"),
        ("model_version", "/model_version"),
        ("policy_version", "/policy_version"),
    ],
};
