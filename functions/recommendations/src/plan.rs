//! What to offer in which order, by score and by the shop's rules, before anybody looks into the shelves.

use crate::Case;
use crate::answer::Adjustment;
use crate::api::{Request, Surface};
use crate::artifacts::Tables;
use crate::candidates::{Source, Task};
use crate::cover::OverstockCost;
use crate::policy::ShelfPolicy;
use crate::prepare::{Asked, Prepared};
use features::items::ItemIndex as _;
use schemars::JsonSchema;
use serde::Serialize;
use serving::predictor::{Scored, Served};
use smol_str::SmolStr;
use std::collections::HashSet;

/// Replacements looked at of an item of an abandoned cart.
const REPLACEMENTS: usize = 10;

/// What an item was chosen on, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RecommendationLevel")]
pub enum Level {
    /// The shop's own will.
    Pinned,
    /// The customer's history.
    Personal,
    /// The cart.
    Cart,
    /// What sells in categories that were asked for or that the customer buys.
    Category,
    /// What sells in the shop.
    Trending,
    /// The shop's list for when nothing else is left.
    Static,
}

impl Level {
    /// As answers write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Personal => "personal",
            Self::Cart => "cart",
            Self::Category => "category",
            Self::Trending => "trending",
            Self::Static => "static",
        }
    }
}

/// One item that may be offered.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The shop's id.
    pub product_id: SmolStr,
    /// Its number in the catalogue; the shop may pin what the catalogue does not know.
    pub item: Option<u32>,
    /// By what the model ranks; `None` where it was not asked.
    pub relevance: Option<f64>,
    /// What stock changes of that.
    pub adjustment: Option<Adjustment>,
    /// The row of the model.
    pub row: Option<usize>,
    /// What brought it.
    pub source: Source,
    /// What it was chosen on.
    pub level: Level,
    /// Where the shop wants it, from 1.
    pub place: Option<usize>,
}

impl Choice {
    /// What it is ordered by among what the model ranked.
    pub fn value(&self) -> f64 {
        let change = self
            .adjustment
            .map_or(0.0, |adjustment| adjustment.log_odds);
        self.relevance.unwrap_or(f64::NEG_INFINITY) + change
    }
}

/// What to offer, best first, and what could stand for the items of an abandoned cart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Distinct, allowed, and not in the cart.
    pub choices: Vec<Choice>,
    /// Candidates and list items that the rules left out.
    pub ruled_out: usize,
    /// What lifting overstock costs; `None` where the policy lifts nothing.
    pub overstock: Option<OverstockCost>,
    /// Of each item of an abandoned cart, what could stand for it, best first.
    pub replacements: Vec<(String, Vec<String>)>,
}

/// What may be shown at all.
struct Rules<'a> {
    request: &'a Request,
    policy: &'a ShelfPolicy,
    tables: &'a Tables,
    banned: HashSet<&'a str>,
}

impl<'a> Rules<'a> {
    fn new(request: &'a Request, policy: &'a ShelfPolicy, tables: &'a Tables) -> Self {
        let own = request.exclude.iter().chain(&request.cart);
        let banned = own.chain(&policy.excluded_product_ids);
        Self {
            request,
            policy,
            tables,
            banned: banned.map(String::as_str).collect(),
        }
    }

    fn allow(&self, product_id: &str, item: Option<u32>) -> bool {
        let category = item.map(|item| {
            let category = self.tables.catalogue.category(item);
            self.tables.catalogue.category_name(category)
        });
        let wanted = &self.request.include_categories;
        let is_wanted =
            wanted.is_empty() || category.is_some_and(|name| wanted.iter().any(|w| w == name));
        let is_excluded = category.is_some_and(|name| {
            let restricted = self.policy.age_restricted_categories.contains(name);
            self.policy.excluded_categories.contains(name)
                || (restricted && !self.request.age_verified)
        });
        let is_kept = item.is_none_or(|item| self.keeps(item));
        is_wanted && !is_excluded && is_kept && !self.banned.contains(product_id)
    }

    /// By brand and margin.
    fn keeps(&self, item: u32) -> bool {
        let catalogue = &self.tables.catalogue;
        let least = self.policy.least_margin_share.unwrap_or(f64::NEG_INFINITY);
        let brands = &self.policy.excluded_brands;
        (brands.is_empty() || !brands.contains(catalogue.brand_of(item)))
            && catalogue
                .margin_share(item)
                .is_none_or(|share| share >= least)
    }
}

/// Collects choices, each product once.
struct Planner<'a> {
    rules: Rules<'a>,
    /// By number.
    taken: Vec<bool>,
    /// What the catalogue does not know.
    taken_others: HashSet<SmolStr>,
    plan: Plan,
}

impl Planner<'_> {
    fn offer(&mut self, choice: Choice) {
        let is_new = match choice.item {
            Some(item) => !std::mem::replace(&mut self.taken[item as usize], true),
            None => self.taken_others.insert(choice.product_id.clone()),
        };
        if !is_new {
            return;
        }
        if self.rules.allow(&choice.product_id, choice.item) {
            self.plan.choices.push(choice);
        } else {
            self.plan.ruled_out += 1;
        }
    }

    fn offer_list(&mut self, items: impl IntoIterator<Item = u32>, source: Source, level: Level) {
        for item in items {
            let product_id = self.rules.tables.catalogue.id(item).into();
            self.offer(Choice {
                product_id,
                item: Some(item),
                relevance: None,
                adjustment: None,
                row: None,
                source,
                level,
                place: None,
            });
        }
    }

    fn offer_named(
        &mut self,
        product_id: &str,
        source: Source,
        level: Level,
        place: Option<usize>,
    ) {
        self.offer(Choice {
            product_id: product_id.into(),
            item: self.rules.tables.catalogue.item(product_id),
            relevance: None,
            adjustment: None,
            row: None,
            source,
            level,
            place,
        });
    }
}

/// Everything that may be offered, in order.
pub(crate) fn plan(
    request: &Request,
    case: &Case,
    scored: &Scored,
    served: &Served<crate::Recommendations>,
) -> Plan {
    let Some(prepared) = case.prepared(&served.model.artifacts) else {
        return Plan::default();
    };
    let Some(asked) = prepared.asked.first() else {
        return Plan::default();
    };
    let policy = &served.policy;
    let mut planner = Planner {
        rules: Rules::new(request, policy, &prepared.tables),
        taken: vec![false; prepared.tables.catalogue.items()],
        taken_others: HashSet::new(),
        plan: Plan::default(),
    };
    let pins = policy
        .pinned
        .iter()
        .filter(|pin| pin.surface == request.surface);
    for pin in pins {
        let place = Some(pin.place);
        planner.offer_named(&pin.product_id, Source::Pinned, Level::Pinned, place);
    }
    for choice in ranked(request, prepared, asked, scored, policy) {
        planner.offer(choice);
    }
    if request.surface != Surface::BuyAgain {
        fill(&mut planner, request, prepared);
    }
    if request.surface == Surface::AbandonedCart {
        planner.plan.replacements = replacements(request, prepared, &planner.rules);
    }
    planner.plan
}

/// The candidates by relevance, then popularity, then id.
fn ranked(
    request: &Request,
    prepared: &Prepared,
    asked: &Asked,
    scored: &Scored,
    policy: &ShelfPolicy,
) -> Vec<Choice> {
    let catalogue = &prepared.tables.catalogue;
    let relevance = |item: u32, raw: f64| match asked.task {
        Task::Discover => {
            let lately = f64::from(catalogue.orders(item)[1]);
            raw - policy.discover_popularity_penalty * libm::log1p(lately)
        }
        Task::Home | Task::Cart => raw,
    };
    let is_asked_for = |item: u32| {
        let bought = prepared.customer.item(item).is_some();
        match request.surface {
            Surface::BuyAgain => bought,
            Surface::Discover => !bought,
            _ => true,
        }
    };
    let candidates = asked.candidates.items.iter().zip(&asked.candidates.sources);
    let mut rows: Vec<(u32, usize, f64, Source)> = candidates
        .zip(&scored.raw)
        .enumerate()
        .filter(|(_, ((item, _), _))| is_asked_for(**item))
        .map(|(row, ((item, source), raw))| (*item, row, relevance(*item, *raw), *source))
        .collect();
    rows.sort_by(|a, b| {
        let by_popularity = || catalogue.popularity(b.0).cmp(&catalogue.popularity(a.0));
        b.2.total_cmp(&a.2)
            .then_with(by_popularity)
            .then(a.0.cmp(&b.0))
    });
    let level = match asked.task {
        Task::Cart => Level::Cart,
        Task::Home | Task::Discover => Level::Personal,
    };
    let choice = |(item, row, relevance, source)| Choice {
        product_id: catalogue.id(item).into(),
        item: Some(item),
        relevance: Some(relevance),
        adjustment: None,
        row: Some(row),
        source,
        level,
        place: None,
    };
    rows.into_iter().map(choice).collect()
}

/// What sells, where the candidates may not be enough: in the categories asked for or bought, in the shop, and last
/// what the shop names.
fn fill(planner: &mut Planner<'_>, request: &Request, prepared: &Prepared) {
    let catalogue = &prepared.tables.catalogue;
    let is_new = |item: &u32| {
        request.surface != Surface::Discover || prepared.customer.item(*item).is_none()
    };
    let named = request.include_categories.iter();
    let named: Vec<u32> = named
        .filter_map(|name| catalogue.find_category(name))
        .collect();
    let categories = if request.include_categories.is_empty() {
        prepared.retrieval().top_categories()
    } else {
        named
    };
    for category in categories {
        let best = catalogue.best_of(category).filter(is_new);
        planner.offer_list(best, Source::Category, Level::Category);
    }
    let trending = catalogue.trending_28().chain(catalogue.trending_7());
    planner.offer_list(trending.filter(is_new), Source::Trending, Level::Trending);
    for product_id in &planner.rules.policy.static_product_ids {
        planner.offer_named(product_id, Source::Static, Level::Static, None);
    }
}

/// What could stand for each item of the cart: of its category, what its buyers also buy, then what sells.
fn replacements(
    request: &Request,
    prepared: &Prepared,
    rules: &Rules<'_>,
) -> Vec<(String, Vec<String>)> {
    let tables = &prepared.tables;
    let of = |product_id: &String| {
        let Some(item) = tables.catalogue.item(product_id) else {
            return (product_id.clone(), Vec::new());
        };
        let category = tables.catalogue.category(item);
        let liked = tables.likes.of(item).map(|(other, _)| other);
        let alike = liked.filter(|other| tables.catalogue.category(*other) == category);
        let mut seen = HashSet::new();
        let others = alike.chain(tables.catalogue.best_of(category));
        let ids = others
            .filter(|other| *other != item && seen.insert(*other))
            .map(|other| (other, tables.catalogue.id(other)))
            .filter(|(other, id)| rules.allow(id, Some(*other)))
            .map(|(_, id)| id.to_owned());
        (product_id.clone(), ids.take(REPLACEMENTS).collect())
    };
    request.cart.iter().map(of).collect()
}
