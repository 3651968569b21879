//! Scores and explains rows of a file for `make bench`: `score_rows MODEL.onnx ROWS.f32 SCORES.f64 [libonnxruntime.so]`.
//!
//! `ROWS.f32` holds rows of little-endian float32 one after the other. Prints one line of JSON: microseconds per row of each call that
//! scored all rows, of our scorer by each kind of instructions that this processor has (`ours` is the best of them) and, in turns, of the
//! runtime; of single rows; of explained rows; and of reading as many bytes as a row has from memory (`memory`). All scores must be those of
//! `ours` but for rounding. They go to `SCORES.f64`, and the contributions of the first rows, with their base last, to
//! `SCORES.contributions`, so that others can be compared with them.

#![expect(clippy::print_stdout, reason = "a tool for programs")]

use features::matrix::Matrix;
use serving::model::{Instructions, OrtScorer, Scorer, load, load_for};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

const CALLS: usize = 7;
const SINGLE: usize = 5_000;
const EXPLAINED: usize = 2_000;
/// More than caches hold.
const MEMORY_WORDS: usize = 64 * 1024 * 1024;
/// Sums of some hundred float32 leaves in another order.
const CLOSE: f64 = 2e-5;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, rows, scores, library @ ..] = arguments.as_slice() else {
        return Err("usage: score_rows MODEL.onnx ROWS.f32 SCORES.f64 [LIBRARY]".into());
    };
    let bytes = std::fs::read(model)?;
    let ours = load(&bytes, None)?.scorer;
    let rows = read_rows(Path::new(rows), ours.columns())?;
    let runtime = match library {
        [] => None,
        [library, ..] => Some(OrtScorer::load(Path::new(library), &bytes)?),
    };
    let slower = Instructions::ALL.into_iter();
    let slower = slower.take_while(|slower| *slower != Instructions::best());
    let mut by_others = Vec::new();
    for slower in slower {
        let name = format!("{slower:?}").to_lowercase();
        by_others.push((name, load_for(&bytes, None, slower)?.scorer, Vec::new()));
    }
    let (mut of_ours, mut of_runtime) = (Vec::new(), Vec::new());
    let (mut found, mut of_other_found) = (Vec::new(), Vec::new());
    for _ in 0..CALLS {
        of_ours.push(per_row(&*ours, &rows, &mut found)?);
        for (name, scorer, of_other) in &mut by_others {
            of_other.push(per_row(&**scorer, &rows, &mut of_other_found)?);
            check_close(name, &of_other_found, &found)?;
        }
        if let Some(runtime) = &runtime {
            of_runtime.push(per_row(runtime, &rows, &mut of_other_found)?);
            check_close("runtime", &of_other_found, &found)?;
        }
    }
    let written: Vec<u8> = found.iter().flat_map(|score| score.to_le_bytes()).collect();
    std::fs::write(scores, written)?;
    let single = singles(&rows, SINGLE, |row| Ok(ours.score(row, &mut Vec::new())?))?;
    let mut contributions = Vec::new();
    let explained = singles(&rows, EXPLAINED, |row| {
        contributions.extend(ours.explain(row).ok_or("no contributions")??);
        Ok(())
    })?;
    let of_rows = contributions.iter();
    let values = of_rows.flat_map(|of| of.values.iter().chain([&of.base]));
    let written: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(Path::new(scores).with_extension("contributions"), written)?;
    let memory = memory(ours.columns());
    let mut told = serde_json::json!({
        "ours": of_ours, "runtime": of_runtime, "single": single, "explained": explained, "memory": memory,
    });
    for (name, _, of_other) in by_others {
        told[name] = of_other.into();
    }
    println!("{told}");
    Ok(())
}

fn read_rows(path: &Path, columns: usize) -> Result<Matrix, Failure> {
    let bytes = std::fs::read(path)?;
    let (values, rest) = bytes.as_chunks::<4>();
    let values = values.iter().map(|value| f32::from_le_bytes(*value));
    let rows = Matrix::from_values(columns, values.collect()).filter(|_| rest.is_empty());
    rows.ok_or_else(|| format!("{} has no rows of {columns} columns", path.display()).into())
}

/// Microseconds per row of one call with all rows; the scores are left in `found`.
fn per_row(scorer: &dyn Scorer, rows: &Matrix, found: &mut Vec<f64>) -> Result<f64, Failure> {
    found.clear();
    let started = Instant::now();
    scorer.score(black_box(rows), found)?;
    Ok(started.elapsed().as_secs_f64() * 1e6 / found.len() as f64)
}

/// Fails unless these are the scores that were expected, but for rounding.
fn check_close(name: &str, found: &[f64], expected: &[f64]) -> Result<(), Failure> {
    let pairs = found.iter().zip(expected);
    let is_close = |(a, b): (&f64, &f64)| (a - b).abs() <= CLOSE;
    let row = pairs.clone().position(|pair| !is_close(pair));
    match row {
        None if found.len() == expected.len() => Ok(()),
        row => Err(format!("scores of {name} differ, first in row {row:?}").into()),
    }
}

/// Microseconds that reading a row of so many float32 takes at least: of several sums over more memory than caches hold.
fn memory(columns: usize) -> Vec<f64> {
    let words: Vec<u64> = (0..MEMORY_WORDS as u64).collect();
    let rows = (size_of_val(&words[..]) / (columns * size_of::<f32>())) as f64;
    let sum = || {
        let started = Instant::now();
        let sum = black_box(&words)
            .iter()
            .fold(0, |sum: u64, word| sum.wrapping_add(*word));
        black_box(sum);
        started.elapsed().as_secs_f64() * 1e6 / rows
    };
    (0..CALLS).map(|_| sum()).collect()
}

/// Microseconds of each of the first rows, one call a row.
fn singles(
    rows: &Matrix,
    count: usize,
    mut call: impl FnMut(&Matrix) -> Result<(), Failure>,
) -> Result<Vec<f64>, Failure> {
    let rows = rows.rows().take(count);
    rows.map(|values| {
        let row = Matrix::from_values(values.len(), values.to_vec()).ok_or("a row has columns")?;
        let started = Instant::now();
        call(black_box(&row))?;
        Ok(started.elapsed().as_secs_f64() * 1e6)
    })
    .collect()
}
