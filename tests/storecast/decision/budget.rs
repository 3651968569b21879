//! Decisions under a budget.

use super::{policy, policy_with, stakes};
use churn::policy::{ChurnPolicy, DO_NOTHING, Stakes};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn a_budget_goes_where_a_unit_of_money_brings_most() {
    // Value per cost: a 15.00 / 6.00 (call), b 3.00 / 6.00 (call), c 1.10 / 2.05 (voucher).
    let batch = [
        stakes("b", 0.4, 10_000.0),
        stakes("a", 0.7, 13_333.0),
        stakes("c", 0.8, 3_500.0),
    ];
    let free = policy().decide(&batch, None);
    assert!(
        free.iter()
            .all(|decision| decision.intervention != DO_NOTHING),
        "{free:?}"
    );
    let cost = |id: usize| free[id].expected_cost_minor;
    let chosen = |budget: i64| -> Vec<bool> {
        let decided = policy().decide(&batch, Some(budget));
        assert!(
            decided
                .iter()
                .all(|d| d.intervention != DO_NOTHING || d.because == "budget")
        );
        decided
            .iter()
            .map(|d| d.intervention != DO_NOTHING)
            .collect()
    };
    let ratio = |id: usize| free[id].expected_value_minor as f64 / cost(id) as f64;
    assert!(ratio(1) > ratio(2) && ratio(2) > ratio(0), "{free:?}");
    assert_eq!(chosen(0), [false, false, false]);
    assert_eq!(chosen(cost(1)), [false, true, false]);
    assert_eq!(chosen(cost(1) + cost(2)), [false, true, true]);
    assert_eq!(chosen(cost(1) + cost(2) + cost(0)), [true, true, true]);
}

#[test]
fn a_cheaper_offer_takes_the_place_of_one_that_does_not_fit() {
    // Value and cost: a call 15.00 / 6.00 or voucher 8.32 / 2.18, b call 3.00 / 6.00 or voucher 1.95 / 2.55.
    let batch = [stakes("a", 0.7, 13_333.0), stakes("b", 0.4, 10_000.0)];
    let chosen = |budget: i64| -> Vec<(String, &str)> {
        let decided = policy().decide(&batch, Some(budget));
        decided
            .into_iter()
            .map(|d| (d.intervention, d.because))
            .collect()
    };
    let named = |of_a: (&str, &'static str), of_b: (&str, &'static str)| {
        [of_a, of_b].map(|(intervention, because)| (intervention.to_owned(), because))
    };
    let (cheaper, best) = ("best within the budget", "best expected value");
    let none = (DO_NOTHING, "budget");
    assert_eq!(chosen(217), named(none, none));
    assert_eq!(chosen(218), named(("voucher", cheaper), none));
    assert_eq!(
        chosen(599),
        named(("voucher", cheaper), ("voucher", cheaper))
    );
    assert_eq!(chosen(600), named(("call", best), none));
    assert_eq!(chosen(855), named(("call", best), ("voucher", cheaper)));
    assert_eq!(chosen(1_200), named(("call", best), ("call", best)));
    let decision = &policy().decide(&batch, Some(218))[0];
    assert_eq!(
        (
            decision.title.as_str(),
            decision.expected_value_minor,
            decision.expected_cost_minor
        ),
        ("a voucher", 832, 218)
    );
    assert_eq!(
        decision.alternatives[0].intervention, "call",
        "what was left undone is shown"
    );
}

/// Value and cost of the best offers alone, most value per cost first, each that fits: what a budget brings without
/// cheaper offers.
fn best_offers_alone(policy: &ChurnPolicy, batch: &[Stakes<'_>], budget: i64) -> i64 {
    let mut offers: Vec<_> = policy
        .decide(batch, None)
        .iter()
        .map(|d| (d.expected_value_minor, d.expected_cost_minor))
        .collect();
    let ratio = |&(value, cost): &(i64, i64)| value as f64 / cost.max(1) as f64;
    offers.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)));
    let (mut left, mut sum) = (budget, 0);
    for (value, cost) in offers {
        if cost <= left {
            left -= cost;
            sum += value;
        }
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_budget_is_kept_and_more_of_it_never_brings_less(
        customers in prop::collection::vec((0.0..1.0, 0.0..50_000.0), 1..20),
        mut budgets in prop::array::uniform2(0..8_000i64),
    ) {
        let ids: Vec<String> = (0..customers.len()).map(|i| i.to_string()).collect();
        let batch: Vec<_> = ids.iter().zip(&customers).map(|(id, &(p, spend))| stakes(id, p, spend)).collect();
        budgets.sort_unstable();
        let policy = policy_with(|policy| policy["control_group"]["share"] = json!(0.2));
        let [less, more] = budgets.map(|budget| {
            let decisions = policy.decide(&batch, Some(budget));
            for decision in &decisions {
                let spent = (decision.expected_value_minor, decision.expected_cost_minor);
                let named = decision.alternatives.iter().find(|o| o.intervention == decision.intervention).unwrap();
                assert_eq!(spent, (named.expected_value_minor, named.expected_cost_minor));
                assert!(spent.0 >= 0);
            }
            let value: i64 = decisions.iter().map(|d| d.expected_value_minor).sum();
            assert!(value >= best_offers_alone(&policy, &batch, budget));
            assert!(decisions.iter().map(|d| d.expected_cost_minor).sum::<i64>() <= budget);
            assert!(decisions.iter().all(|d| !d.control_group || d.intervention == DO_NOTHING));
            decisions.iter().map(|d| d.expected_value_minor).sum::<i64>()
        });
        prop_assert!(less <= more, "{} with {}, {} with {}", less, budgets[0], more, budgets[1]);
        let free = policy.decide(&batch, None);
        prop_assert!(more <= free.iter().map(|d| d.expected_value_minor).sum());
        let enough = free.iter().map(|d| d.expected_cost_minor).sum();
        prop_assert_eq!(policy.decide(&batch, Some(enough)), free);
    }
}
