//! Measures scorers on one model file: `measure_scorers MODEL.onnx [libonnxruntime.so]`.
//!
//! Rows are pseudo-random, a tenth of the values missing. Prints microseconds for one row, per row of batches, and for
//! one explained row; with a library, the runtime's too, in the same run. Medians and best calls stand up to a busy
//! machine.

#![expect(clippy::print_stdout, reason = "a tool for people")]

use features::matrix::Matrix;
use serving::model::{OrtScorer, Scorer, load};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

const BATCH: usize = 10_000;
const CALLS: usize = 31;
const SINGLE: usize = 10_000;
const LOADS: usize = 31;
const EXPLAINED: usize = 2_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments
        .next()
        .ok_or("usage: measure_scorers MODEL.onnx [libonnxruntime.so]")?;
    let bytes = std::fs::read(&file)?;
    let mut loads = Vec::with_capacity(LOADS);
    for _ in 0..LOADS {
        let start = Instant::now();
        black_box(load(&bytes, None)?);
        loads.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let first = loads[0];
    loads.sort_by(f64::total_cmp);
    println!(
        "native load       {first:9.1} us first {:9.1} us p50",
        loads[LOADS / 2]
    );
    let model = load(&bytes, None)?;
    let rows = random_rows(model.scorer.columns(), BATCH);
    measure("native", &*model.scorer, &rows)?;
    if let Some(library) = arguments.next() {
        measure("ort", &OrtScorer::load(Path::new(&library), &bytes)?, &rows)?;
    }
    let mut explained = Vec::with_capacity(EXPLAINED);
    for row in rows.rows().take(EXPLAINED) {
        let row = Matrix::from_values(rows.columns(), row.to_vec()).ok_or("a row has columns")?;
        let start = Instant::now();
        if let Some(contributions) = model.scorer.explain(black_box(&row)) {
            black_box(contributions?);
        }
        explained.push(start.elapsed().as_secs_f64() * 1e6);
    }
    explained.sort_by(f64::total_cmp);
    println!(
        "native explain    {:9.3} us p50 {:9.3} us p99",
        explained[EXPLAINED / 2],
        explained[EXPLAINED * 99 / 100]
    );
    Ok(())
}

fn measure(
    name: &str,
    scorer: &dyn Scorer,
    rows: &Matrix,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut found = Vec::with_capacity(BATCH);
    let mut single: Vec<f64> = Vec::with_capacity(SINGLE);
    for row in rows.rows().take(SINGLE) {
        let row = Matrix::from_values(rows.columns(), row.to_vec()).ok_or("a row has columns")?;
        found.clear();
        let start = Instant::now();
        scorer.score(black_box(&row), &mut found)?;
        single.push(start.elapsed().as_secs_f64() * 1e6);
    }
    single.sort_by(f64::total_cmp);
    println!(
        "{name:6} one row    {:9.3} us p50 {:9.3} us p99",
        single[SINGLE / 2],
        single[SINGLE * 99 / 100]
    );
    for count in [4, 8, 100, BATCH] {
        let part = first_rows(rows, count);
        let mut calls = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            found.clear();
            let start = Instant::now();
            scorer.score(black_box(&part), &mut found)?;
            calls.push(start.elapsed().as_secs_f64() * 1e6 / count as f64);
        }
        calls.sort_by(f64::total_cmp);
        println!(
            "{name:6} {count:7}    {:9.3} us/row p50 {:9.3} best",
            calls[CALLS / 2],
            calls[0]
        );
    }
    black_box(found);
    Ok(())
}

fn first_rows(rows: &Matrix, count: usize) -> Matrix {
    let mut part = Matrix::new(rows.columns());
    for row in rows.rows().take(count) {
        part.push_row(row.iter().map(|&value| f64::from(value)));
    }
    part
}

/// Uniform in -3..3, by xorshift64*.
fn random_rows(columns: usize, count: usize) -> Matrix {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let values = (0..columns * count).map(|_| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let uniform =
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / (1_u64 << 24) as f32;
        if uniform < 0.1 {
            f32::NAN
        } else {
            (uniform - 0.55) / 0.45 * 3.0
        }
    });
    let values = values.collect();
    Matrix::from_values(columns, values).unwrap_or_else(|| Matrix::new(columns))
}
