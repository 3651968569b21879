//! What recommendations are asked.

use features::history::CustomerHistory;
use features::time::Timestamp;
use schemars::JsonSchema;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as ValueError;
use serde::{Deserialize, Serialize};
use serving::batch::shape::{Column, Field, LineShape, RowShape, text_at};
use serving::error::{CallerError, Error};
use serving::route::{ParameterKind, Parameters, QueryParameter};
use serving::wire::{
    ID_LIMIT_BYTES, InlineHistory, check_id, check_text, parse_body, parse_instant, value_error,
    within,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// The instant of a query.
pub(crate) const AS_OF: QueryParameter = QueryParameter {
    name: "as_of",
    meaning: "The instant to answer for; now when left out.",
    kind: ParameterKind::Instant,
};
/// How many items of a query.
pub(crate) const ITEMS: QueryParameter = QueryParameter {
    name: "k",
    meaning: "Items wanted; 10 when left out.",
    kind: ParameterKind::UpTo(ITEMS_LIMIT),
};
/// The surface of a query: those that need no cart.
pub(crate) const SURFACE: QueryParameter = QueryParameter {
    name: "surface",
    meaning: "Where the items are shown, which decides what is looked for; home when left out.",
    kind: ParameterKind::OneOf(&["home", "buy_again", "discover"]),
};

/// Whom to recommend to, and what; everything may be left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RecommendationsRequest")]
pub struct Body {
    /// Whose history is read from the store; nobody's when left out.
    #[schemars(length(min = 1, max = ID_LIMIT_BYTES))]
    customer_id: Option<String>,
    /// Taken instead of the one in the store.
    history: Option<InlineHistory>,
    /// Product ids.
    #[serde(default)]
    #[schemars(length(max = CART_LIMIT), inner(length(max = ID_LIMIT_BYTES)))]
    cart: Vec<String>,
    /// Items wanted; 10 when left out.
    #[schemars(range(max = ITEMS_LIMIT))]
    k: Option<u64>,
    /// Where they are shown; `cart` where one is given, else `home`, when left out.
    surface: Option<Surface>,
    /// Product ids that must not be shown.
    #[serde(default)]
    #[schemars(length(max = LIST_LIMIT), inner(length(max = ID_LIMIT_BYTES)))]
    exclude: Vec<String>,
    /// Names of the only categories wanted; all when left out.
    #[serde(default)]
    #[schemars(length(max = LIST_LIMIT), inner(length(max = ID_LIMIT_BYTES)))]
    include_categories: Vec<String>,
    /// Whether what is not known to be there is left out; true when left out itself.
    in_stock_only: Option<bool>,
    /// From 0, the best items whatever they are, to 1, as many categories as there are.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    diversity: f64,
    /// Whether items of age-restricted categories may be shown.
    #[serde(default)]
    age_verified: bool,
    /// The instant to answer for, RFC 3339 with an offset; now when left out.
    #[schemars(extend("format" = "date-time"))]
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
    pub fn for_customer(parameters: &Parameters<'_>) -> Result<Self, Error> {
        let items = parameters.query(ITEMS.name).and_then(|k| k.parse().ok());
        let surface = parameters.query(SURFACE.name);
        let surface = surface.map(|text| surface_named(text, SURFACE.name));
        let as_of = parameters.query(AS_OF.name);
        let as_of = as_of.map(|text| parse_instant(text, AS_OF.name));
        Ok(Self {
            customer_id: Some(parameters.path[0].1.clone()),
            history: None,
            cart: Vec::new(),
            k: items_wanted(items, ITEMS.name)?,
            surface: surface.transpose()?.unwrap_or(Surface::Home),
            exclude: Vec::new(),
            include_categories: Vec::new(),
            in_stock_only: true,
            diversity: 0.0,
            age_verified: false,
            as_of: as_of.transpose()?.map(|(at, _)| at),
        })
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

fn surface_named(text: &str, name: &str) -> Result<Surface, CallerError> {
    let parsed = Surface::deserialize(text.into_deserializer());
    parsed.map_err(|error: ValueError| value_error(name.to_owned(), error.to_string()))
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

/// Lines of orders, grouped by customer.
static LINES: LineShape = LineShape::of_customers(&[Field::text("as_of")]);

/// A row of a file is a request of its own: whom to recommend to, and what `POST /v1/recommendations` takes beside.
pub static ROWS: RowShape = RowShape {
    list: None,
    id: "customer_id",
    kind: crate::CUSTOMER,
    whole: &[("surface", "home")],
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
    order_lines: Some(&LINES),
    answer: "",
    columns: &[
        Column::text("surface", "/surface"),
        Column::text("as_of", "/as_of"),
        Column::text("fallback", "/fallback"),
        Column::text("product_1", "/items/0/product_id"),
        Column::text("reason_1", "/items/0/reason/text"),
        Column::text("product_2", "/items/1/product_id"),
        Column::text("reason_2", "/items/1/reason/text"),
        Column::text("product_3", "/items/2/product_id"),
        Column::text("reason_3", "/items/2/reason/text"),
        Column::text("product_4", "/items/3/product_id"),
        Column::text("product_5", "/items/4/product_id"),
        Column::text("product_6", "/items/5/product_id"),
        Column::text("product_7", "/items/6/product_id"),
        Column::text("product_8", "/items/7/product_id"),
        Column::text("product_9", "/items/8/product_id"),
        Column::text("product_10", "/items/9/product_id"),
        Column::text("model_version", "/model_version"),
        Column::text("policy_version", "/policy_version"),
    ],
    key: |answer| {
        let customer_id = text_at(answer, "/customer_id")?;
        Some(key_of(text_at(answer, "/surface")?, customer_id))
    },
};

/// All surfaces, as requests and answers name them.
pub const SURFACES: [&str; 5] = ["home", "buy_again", "discover", "cart", "abandoned_cart"];

/// What a customer's last recommendations for a surface are looked up by: what completes a cart must not replace what stands on the
/// first page.
///
/// ```
/// assert_eq!(recommendations::api::key_of("home", "42"), "home#42");
/// ```
pub fn key_of(surface: &str, customer_id: &str) -> String {
    format!("{surface}#{customer_id}")
}
