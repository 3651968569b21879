//! Concurrent calls of one task, and the one that wins.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Index of the one `true`.
pub(super) fn only_winner<E: std::fmt::Debug>(what: &str, results: Vec<Result<bool, E>>) -> usize {
    let won: Vec<bool> = results
        .into_iter()
        .map(|r| r.expect("write in a race"))
        .collect();
    let winners: Vec<usize> = (0..won.len()).filter(|&writer| won[writer]).collect();
    assert_eq!(
        winners.len(),
        1,
        "exactly one of {} concurrent calls of {what} wins, won: {winners:?}",
        won.len()
    );
    winners[0]
}

/// Drives all futures at once in one task, and gives their outputs in order.
pub(super) async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, output) in running.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
