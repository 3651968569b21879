//! Recommendations: what each surface would have shown, against what was bought then, beside simpler methods.
//!
//! A customer is judged by the first order with three distinct items or more within the horizon. Lists are the
//! function's own answers, stock left aside: the data knows the stock of its end only.

mod figures;
mod methods;

use super::{Assess, Assessed, BAR_SHOP, Failure, test_cutoffs};
use crate::evaluate::RECOMMENDATION_BARS;
use crate::gates::MainMetric;
use crate::histories::Histories;
use crate::ingest::LoadError;
use crate::model_folder;
use crate::shop::Shop;
use features::history::{CustomerHistory, History as _};
use features::items::{CustomerItems, ItemIndex as _};
use features::levels::Level;
use features::time::Timestamp;
use figures::Figures;
use methods::Methods;
use recommendations::api::{Request, Surface};
use recommendations::candidates::Task;
use recommendations::policy::ShelfPolicy;
use recommendations::stock::{KnownStock, ShelfMemory};
use recommendations::{Case, Judged, Question, Recommendations, plain_cosine};
use serving::predictor::{Predictor, Served};
use serving::registry::{verify_model, with_policy};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// Length of the lists that are judged.
pub(super) const K: usize = 10;
/// Orders of an item before the cut from which coverage counts it.
pub(super) const COVERED_ORDERS: u32 = 10;

/// What was there as the test began: from the days on which products were out of stock, where the shop tells them.
fn stock_at(
    histories: &Histories,
    shop: &Shop,
    at: Timestamp,
) -> Result<Option<KnownStock>, LoadError> {
    let today = shop.time.local_day(at);
    let mut levels: BTreeMap<String, Level> = BTreeMap::new();
    let mut any_out = false;
    for sku in histories.skus() {
        let (sku_id, demand) = sku?;
        let is_out = demand
            .stock_outs
            .iter()
            .any(|span| (span.from..span.until).contains(&today));
        any_out |= is_out;
        let product_id = histories.product_of(&sku_id).to_owned();
        let level = levels.entry(product_id).or_insert(Level {
            on_hand_milli: 0,
            units_per_day: f32::NAN,
        });
        level.on_hand_milli += if is_out { 0 } else { 1000 };
    }
    Ok(any_out.then(|| KnownStock::new(levels, at, 0.0)))
}

/// Product ids, best first.
pub(super) type List = Vec<String>;

impl Assess for Recommendations {
    const MAIN: MainMetric = MainMetric {
        name: "ndcg_at_10",
        higher_is_better: true,
    };

    fn assess(
        shop: &Shop,
        histories: &Histories,
        folder: &Path,
        runtime: Option<&Path>,
    ) -> Result<Assessed, Failure> {
        let model = verify_model::<Self>(&model_folder::read_model::<Self>(folder)?, runtime)?;
        let mut notes = Vec::new();
        let served = match model_folder::read_policy(folder) {
            Ok(policy) => with_policy(model, &policy)?,
            Err(failure) if shop.name == BAR_SHOP => return Err(failure.into()),
            Err(failure) => {
                notes.push(format!("the lists keep no rules of the shop: {failure}"));
                Served {
                    model,
                    policy: ShelfPolicy::without_rules(),
                    memory: ShelfMemory::default(),
                }
            }
        };
        let cutoffs = test_cutoffs(&served.model.manifest)?;
        let at = *cutoffs.test.first().ok_or("the manifest names no test")?;
        let mut failure = None;
        let mut known = histories.customers().map_while(|customer| match customer {
            Ok((id, history)) => Some((id, history.known_before(at))),
            Err(error) => {
                failure = Some(error);
                None
            }
        });
        let cosine = plain_cosine(&mut known, at)?;
        if let Some(error) = failure {
            return Err(error.into());
        }
        let test = Test {
            methods: Methods::new(served.model.artifacts.tables()?, cosine),
            stock: stock_at(histories, shop, at)?,
            served,
            at,
        };
        let mut figures = Figures::default();
        for customer in histories.customers() {
            let (_, history) = customer?;
            if let Some(customer) = test.customer(&Arc::new(history))? {
                figures.customers.push(customer);
            }
        }
        let bars = if shop.name == BAR_SHOP {
            &RECOMMENDATION_BARS[..]
        } else {
            &[]
        };
        let tables = test.served.model.artifacts.tables()?;
        let stock = test.stock.as_ref();
        Ok(Assessed {
            lines: figures.lines(&tables.catalogue, stock, bars),
            curves: serde_json::json!({}),
            notes,
        })
    }
}

/// One customer: what was shown by whom, and what was bought.
pub(super) struct Customer {
    pub(super) is_cold: bool,
    /// The first order.
    pub(super) bought: HashSet<String>,
    /// Of it, what was bought before and what was not.
    pub(super) again: HashSet<String>,
    pub(super) new: HashSet<String>,
    pub(super) hidden: HashSet<String>,
    pub(super) home: List,
    /// The same of what was in stock then.
    pub(super) home_in_stock: List,
    pub(super) buy_again: List,
    pub(super) discover: List,
    pub(super) cart: List,
    /// By name: what simpler methods show.
    pub(super) rival_home: Vec<(&'static str, List)>,
    pub(super) rival_again: Vec<(&'static str, List)>,
    pub(super) rival_discover: Vec<(&'static str, List)>,
    pub(super) rival_cart: Vec<(&'static str, List)>,
    /// Items shown that break a rule.
    pub(super) violations: usize,
}

struct Test {
    served: Served<Recommendations>,
    /// As the test began; `None` where the shop does not tell.
    stock: Option<KnownStock>,
    methods: Methods,
    at: Timestamp,
}

impl Test {
    /// `None` for a customer without an order to be judged by.
    fn customer(&self, history: &Arc<CustomerHistory>) -> Result<Option<Customer>, Failure> {
        let artifacts = &self.served.model.artifacts;
        let until = self.at.plus_days(artifacts.horizon_days);
        let Some(judged) = Judged::of(history, self.at, until) else {
            return Ok(None);
        };
        let catalogue = &artifacts.tables()?.catalogue;
        let items = CustomerItems::new(history, self.at, catalogue);
        let bought: HashSet<String> = judged.first_basket.iter().cloned().collect();
        let is_known = |id: &&String| {
            let item = catalogue.item(id);
            item.is_some_and(|item| items.item(item).is_some())
        };
        let (again, new): (HashSet<String>, HashSet<String>) =
            bought.iter().cloned().partition(|id| is_known(&id));
        let hidden = judged.hidden.first().cloned().unwrap_or_default();
        let cart = judged.cart_without(&hidden);
        let show = |surface, cart: &[String]| self.show(history, surface, cart, None);
        let lists = [
            show(Surface::Home, &[])?,
            show(Surface::BuyAgain, &[])?,
            show(Surface::Discover, &[])?,
            show(Surface::Cart, &cart)?,
        ];
        let home_in_stock = match &self.stock {
            Some(stock) => self.show(history, Surface::Home, &[], Some(stock))?,
            None => Vec::new(),
        };
        let violations = self.violations(&lists, &items, &cart)?;
        let [home, buy_again, discover, of_cart] = lists;
        Ok(Some(Customer {
            is_cold: items.items.is_empty(),
            rival_home: self.methods.home(&items),
            rival_again: self.methods.buy_again(&items),
            rival_discover: self.methods.discover(&items),
            rival_cart: self.methods.cart(&items, &cart),
            hidden: HashSet::from([hidden]),
            bought,
            again,
            new,
            home,
            home_in_stock,
            buy_again,
            discover,
            cart: of_cart,
            violations,
        }))
    }

    fn show(
        &self,
        history: &Arc<CustomerHistory>,
        surface: Surface,
        cart: &[String],
        stock: Option<&KnownStock>,
    ) -> Result<List, Failure> {
        let task = match surface {
            Surface::Home | Surface::BuyAgain => Task::Home,
            Surface::Discover => Task::Discover,
            Surface::Cart | Surface::AbandonedCart => Task::Cart,
        };
        let question = Question {
            task,
            cart: cart.to_vec(),
        };
        let case = Case::training(history, self.at, vec![question]);
        let cases = [case.with_stock(stock.cloned().unwrap_or_default())];
        let scored = self.served.model.score(&cases)?;
        let request = Request {
            customer_id: None,
            history: None,
            cart: cart.to_vec(),
            k: K,
            surface,
            exclude: Vec::new(),
            include_categories: Vec::new(),
            in_stock_only: stock.is_some(),
            diversity: 0.0,
            age_verified: true,
            as_of: None,
        };
        let answer = Recommendations::respond(&request, &cases, &scored, &self.served)?;
        Ok(answer
            .items
            .into_iter()
            .map(|item| item.product_id)
            .collect())
    }

    /// Items shown twice, in the cart, bought where something new was asked for, or excluded by the policy.
    fn violations(
        &self,
        lists: &[List; 4],
        items: &CustomerItems,
        cart: &[String],
    ) -> Result<usize, Failure> {
        let catalogue = &self.served.model.artifacts.tables()?.catalogue;
        let policy = &self.served.policy;
        let repeats = |list: &List| list.len() - list.iter().collect::<HashSet<_>>().len();
        let excluded = |id: &&String| {
            let category = catalogue.item(id).map(|item| catalogue.category(item));
            let name = category.map(|category| catalogue.category_name(category));
            policy.excluded_product_ids.contains(*id)
                || name.is_some_and(|name| policy.excluded_categories.contains(name))
        };
        let is_bought = |id: &&String| {
            let item = catalogue.item(id);
            item.is_some_and(|item| items.item(item).is_some())
        };
        let in_lists = lists.iter().map(|list| {
            repeats(list) + list.iter().filter(excluded).count() + list.len().saturating_sub(K)
        });
        let stale = lists[2].iter().filter(is_bought).count();
        let in_cart = lists[3].iter().filter(|id| cart.contains(id)).count();
        let not_bought = lists[1].iter().filter(|id| !is_bought(id)).count();
        Ok(in_lists.sum::<usize>() + stale + in_cart + not_bought)
    }
}
