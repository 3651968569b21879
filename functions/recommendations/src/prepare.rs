//! One case between features and answer: the customer's items and the candidates of each question, worked out once.

use crate::Case;
use crate::artifacts::{Artifacts, Tables};
use crate::candidates::{Candidates, CartScores, Retrieval, Scores, Task, likes, numbers};
use crate::features::{COLUMNS, Pair, Pairs};
use features::items::CustomerItems;
use features::matrix::Matrix;
use std::sync::Arc;

/// What is asked: a task, and the product ids of the cart.
#[derive(Debug, Clone)]
pub struct Question {
    /// What to rank by.
    pub task: Task,
    /// Product ids.
    pub cart: Vec<String>,
}

/// A question with its candidates.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) task: Task,
    pub(crate) cart: CartScores,
    pub(crate) candidates: Candidates,
    /// Whether training learns from each candidate; from all when empty.
    pub(crate) taught: Vec<bool>,
}

impl Asked {
    /// The candidates that rows are made of, with their places.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let all = self.candidates.items.iter().copied().enumerate();
        all.filter(|(at, _)| self.taught.get(*at).is_none_or(|taught| *taught))
    }
}

/// What a case comes to with the tables of a model.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) tables: Arc<Tables>,
    pub(crate) customer: CustomerItems,
    pub(crate) likes: Scores,
    pub(crate) asked: Vec<Asked>,
}

impl Prepared {
    /// `None` before tables are attached.
    pub(crate) fn new(case: &Case, artifacts: &Artifacts) -> Option<Self> {
        let tables = Arc::clone(artifacts.tables().ok()?);
        let history = case.history.as_ref();
        let customer = history.map_or_else(CustomerItems::default, |history| {
            CustomerItems::new(history, case.as_of, &tables.catalogue)
        });
        let likes = likes(&customer, &tables);
        let retrieval = Retrieval {
            tables: &tables,
            customer: &customer,
            likes: &likes,
        };
        let ask = |question: &Question| ask(question, &retrieval);
        let asked = case.questions.iter().map(ask).collect();
        Some(Self {
            tables,
            customer,
            likes,
            asked,
        })
    }

    pub(crate) fn retrieval(&self) -> Retrieval<'_> {
        Retrieval {
            tables: &self.tables,
            customer: &self.customer,
            likes: &self.likes,
        }
    }

    fn pairs(&self, asked: &Asked, case: &Case, artifacts: &Artifacts) -> Vec<Pair> {
        let pairs = Pairs {
            artifacts,
            retrieval: &self.retrieval(),
            as_of: case.as_of,
        };
        pairs.of(asked.task, &asked.candidates, &asked.cart)
    }
}

/// A customer of whom nothing is known and who has nothing in the cart is no case for the model: what sells is.
fn ask(question: &Question, retrieval: &Retrieval<'_>) -> Asked {
    let tables = retrieval.tables;
    let cart = numbers(question.cart.iter().map(String::as_str), tables);
    let (task, cart) = match question.task {
        Task::Cart if cart.is_empty() => (Task::Home, CartScores::default()),
        Task::Cart => {
            let scores = CartScores::new(&cart, retrieval.customer, tables);
            (Task::Cart, scores)
        }
        task => (task, CartScores::default()),
    };
    let is_cold = retrieval.customer.items.is_empty() && task != Task::Cart;
    let candidates = if is_cold {
        Candidates::default()
    } else {
        retrieval.candidates(task, &cart)
    };
    Asked {
        task,
        cart,
        candidates,
        taught: Vec::new(),
    }
}

/// Appends the rows of all questions of a case, or the one that a golden row is of.
pub(crate) fn push_rows(case: &Case, artifacts: &Artifacts, rows: &mut Matrix) {
    let Some(prepared) = case.prepared(artifacts) else {
        return;
    };
    for asked in &prepared.asked {
        let pairs = prepared.pairs(asked, case, artifacts);
        for (at, item) in asked.rows() {
            let id = prepared.tables.catalogue.id(item);
            if case.only_item.as_ref().is_none_or(|only| only == id) {
                rows.push_row(COLUMNS.row(&pairs[at]));
            }
        }
    }
}
