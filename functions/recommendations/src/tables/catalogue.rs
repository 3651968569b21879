//! The items a model knows, with their counters and the lists of those that sell.

use super::{
    ITEMS_LIMIT, Kind, Words, check_below, check_rising, f32_section, read, u32_section, write,
};
use bytes::Bytes;
use features::items::ItemIndex;

/// What is fitted of each item, in the order of ids.
#[derive(Debug, Clone, Default)]
pub struct CatalogueColumns {
    /// Distinct, rising.
    pub ids: Vec<String>,
    /// Number of each item's category.
    pub categories: Vec<u32>,
    /// Distinct, rising; the empty name stands for items without a category.
    pub category_names: Vec<String>,
    /// Orders with the item: ever, in the last 28 days, in the last 7 days.
    pub orders: [Vec<u32>; 3],
    /// Mean days between a customer's days with the item, its repeat rate, and its latest price over its usual one; NaN where not
    /// known.
    pub figures: [Vec<f32>; 3],
    /// What one unit usually costs the customer, minor units; NaN where not known.
    pub usual_price_minor: Vec<f32>,
    /// What is left of that price after what the shop pays, as a share of it; NaN where not known.
    pub margin_share: Vec<f32>,
    /// Number of each item's brand.
    pub brands: Vec<u32>,
    /// Distinct, rising; the empty name stands for items without a brand.
    pub brand_names: Vec<String>,
    /// Items with most orders of the last 28 and of the last 7 days.
    pub trending: [Vec<u32>; 2],
    /// Of each category, the items with most orders of the last 28 days.
    pub by_category: Vec<Vec<u32>>,
}

impl CatalogueColumns {
    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let counts = self.orders.iter().map(|c| u32_section(c.iter().copied()));
        let figures = self.figures.iter().map(|f| f32_section(f.iter().copied()));
        let lists = self.trending.iter().map(|l| u32_section(l.iter().copied()));
        let (id_ends, id_text) = text_sections(&self.ids);
        let (name_ends, name_text) = text_sections(&self.category_names);
        let (brand_ends, brand_text) = text_sections(&self.brand_names);
        let names = [
            id_ends, id_text, name_ends, name_text, brand_ends, brand_text,
        ];
        let kinds = [&self.categories, &self.brands];
        let kinds = kinds.map(|numbers| u32_section(numbers.iter().copied()));
        let money = [&self.usual_price_minor, &self.margin_share];
        let money = money.map(|values| f32_section(values.iter().copied()));
        let lengths = self.by_category.iter().map(|list| list.len() as u32);
        let by_category = [
            u32_section(positions(lengths)),
            u32_section(self.by_category.iter().flatten().copied()),
        ];
        let sections = names.into_iter().chain(kinds).chain(counts);
        let sections: Vec<_> = sections
            .chain(figures)
            .chain(money)
            .chain(lists)
            .chain(by_category)
            .collect();
        write(Kind::Catalogue, &sections)
    }
}

/// 0 and the running sums.
pub(super) fn positions(lengths: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut ends = vec![0];
    ends.extend(lengths.into_iter().scan(0u32, |end, length| {
        *end += length;
        Some(*end)
    }));
    ends
}

fn text_sections(texts: &[String]) -> (Vec<u8>, Vec<u8>) {
    let lengths = texts.iter().map(|text| text.len() as u32);
    (u32_section(positions(lengths)), texts.concat().into_bytes())
}

/// Distinct texts in rising order.
#[derive(Debug, Clone)]
struct Texts {
    positions: Words,
    text: Bytes,
}

impl Texts {
    fn open(positions: Bytes, text: Bytes, what: &str) -> Result<Self, String> {
        let positions = Words::new(positions)?;
        check_rising(&positions, text.len(), what)?;
        let opened = Self { positions, text };
        for at in 0..opened.len() {
            if std::str::from_utf8(opened.bytes(at)).is_err() {
                return Err(format!("{what} {at} is not UTF-8"));
            }
            if at > 0 && opened.bytes(at - 1) >= opened.bytes(at) {
                return Err(format!("{what} {at} is not after the one before"));
            }
        }
        Ok(opened)
    }

    fn len(&self) -> usize {
        self.positions.len().saturating_sub(1)
    }

    fn bytes(&self, at: usize) -> &[u8] {
        let ends = self.positions.u32(at).zip(self.positions.u32(at + 1));
        let (from, until) = ends.unwrap_or((0, 0));
        self.text
            .get(from as usize..until as usize)
            .unwrap_or_default()
    }

    fn get(&self, at: usize) -> &str {
        // Checked when it was opened.
        std::str::from_utf8(self.bytes(at)).unwrap_or_default()
    }

    fn find(&self, text: &str) -> Option<u32> {
        let (mut from, mut until) = (0, self.len());
        while from < until {
            let middle = usize::midpoint(from, until);
            match self.bytes(middle).cmp(text.as_bytes()) {
                std::cmp::Ordering::Equal => return Some(middle as u32),
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => until = middle,
            }
        }
        None
    }
}

/// An opened catalogue. Items and categories are numbers below [`items`](Self::items) and
/// [`categories`](Self::categories), in the order of their names.
#[derive(Debug, Clone)]
pub struct Catalogue {
    ids: Texts,
    category_names: Texts,
    brand_names: Texts,
    category: Words,
    brand: Words,
    orders: [Words; 3],
    figures: [Words; 3],
    usual_price_minor: Words,
    margin_share: Words,
    trending: [Words; 2],
    list_positions: Words,
    lists: Words,
}

impl Catalogue {
    /// Checks a file and looks into it.
    pub fn open(file: &Bytes) -> Result<Self, String> {
        let [
            id_ends,
            id_text,
            name_ends,
            name_text,
            brand_ends,
            brand_text,
            category,
            brand,
            all,
            month,
            week,
            gap,
            repeat,
            price,
            usual_price,
            margin,
            trending_28,
            trending_7,
            list_positions,
            lists,
        ] = read::<20>(Kind::Catalogue, file)?;
        let ids = Texts::open(id_ends, id_text, "id")?;
        let items = ids.len();
        if items > ITEMS_LIMIT {
            return Err(format!("{items} items, at most {ITEMS_LIMIT} allowed"));
        }
        let of_items = |section, what| Words::exactly(section, items, what);
        let opened = Self {
            category_names: Texts::open(name_ends, name_text, "category")?,
            brand_names: Texts::open(brand_ends, brand_text, "brand")?,
            category: of_items(category, "categories")?,
            brand: of_items(brand, "brands")?,
            usual_price_minor: of_items(usual_price, "usual prices")?,
            margin_share: of_items(margin, "margins")?,
            orders: [
                of_items(all, "orders")?,
                of_items(month, "orders of 28 days")?,
                of_items(week, "orders of 7 days")?,
            ],
            figures: [
                of_items(gap, "gaps")?,
                of_items(repeat, "repeat rates")?,
                of_items(price, "price ratios")?,
            ],
            trending: [Words::new(trending_28)?, Words::new(trending_7)?],
            list_positions: Words::new(list_positions)?,
            lists: Words::new(lists)?,
            ids,
        };
        opened.check()?;
        Ok(opened)
    }

    fn check(&self) -> Result<(), String> {
        check_below(&self.category, self.categories(), "categories")?;
        check_below(&self.brand, self.brand_names.len(), "brands")?;
        for list in self.trending.iter().chain([&self.lists]) {
            check_below(list, self.items(), "lists")?;
        }
        if self.list_positions.len() != self.categories() + 1 {
            return Err(format!(
                "{} positions of category lists, {} expected",
                self.list_positions.len(),
                self.categories() + 1
            ));
        }
        check_rising(&self.list_positions, self.lists.len(), "category lists")
    }

    /// How many items there are.
    pub fn items(&self) -> usize {
        self.ids.len()
    }

    /// How many categories there are.
    pub fn categories(&self) -> usize {
        self.category_names.len()
    }

    /// The shop's id of an item.
    pub fn id(&self, item: u32) -> &str {
        self.ids.get(item as usize)
    }

    /// The name of a category.
    pub fn category_name(&self, category: u32) -> &str {
        self.category_names.get(category as usize)
    }

    /// The number of a category.
    pub fn find_category(&self, name: &str) -> Option<u32> {
        self.category_names.find(name)
    }

    /// The name of an item's brand; empty when unknown.
    pub fn brand_of(&self, item: u32) -> &str {
        let brand = self.brand.u32(item as usize).unwrap_or(0);
        self.brand_names.get(brand as usize)
    }

    /// What one unit usually costs the customer, minor units; `None` where not known.
    pub fn usual_price_minor(&self, item: u32) -> Option<f64> {
        known(&self.usual_price_minor, item)
    }

    /// What is left of the usual price after what the shop pays, as a share of it; `None` where not known.
    pub fn margin_share(&self, item: u32) -> Option<f64> {
        known(&self.margin_share, item)
    }

    /// Orders with the item: ever, in the last 28 days, in the last 7 days.
    pub fn orders(&self, item: u32) -> [u32; 3] {
        [0, 1, 2].map(|window: usize| self.orders[window].u32(item as usize).unwrap_or(0))
    }

    /// Orders with the item, ever: what breaks every tie.
    pub fn popularity(&self, item: u32) -> u32 {
        self.orders[0].u32(item as usize).unwrap_or(0)
    }

    /// Mean gap in days, repeat rate, latest price over usual price; NaN where not known.
    pub fn figures(&self, item: u32) -> [f64; 3] {
        let of = |words: &Words| words.f32(item as usize).map_or(f64::NAN, f64::from);
        [0, 1, 2].map(|figure: usize| of(&self.figures[figure]))
    }

    /// Items with most orders of the last 28 days.
    pub fn trending_28(&self) -> impl Iterator<Item = u32> + '_ {
        self.trending[0].values()
    }

    /// Items with most orders of the last 7 days.
    pub fn trending_7(&self) -> impl Iterator<Item = u32> + '_ {
        self.trending[1].values()
    }

    /// The items of a category with most orders of the last 28 days.
    pub fn best_of(&self, category: u32) -> impl Iterator<Item = u32> + '_ {
        let at = category as usize;
        let ends = self
            .list_positions
            .u32(at)
            .zip(self.list_positions.u32(at + 1));
        let (from, until) = ends.unwrap_or((0, 0));
        (from..until).filter_map(|at| self.lists.u32(at as usize))
    }
}

fn known(words: &Words, item: u32) -> Option<f64> {
    let value = words.f32(item as usize).map(f64::from);
    value.filter(|value| value.is_finite())
}

impl ItemIndex for Catalogue {
    fn item(&self, product_id: &str) -> Option<u32> {
        self.ids.find(product_id)
    }

    fn category(&self, item: u32) -> u32 {
        self.category.u32(item as usize).unwrap_or(0)
    }
}
