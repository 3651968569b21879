//! Scores and explains rows of a file for `make bench`: `score_rows MODEL.onnx ROWS.f32 SCORES.f64 [libonnxruntime.so]`.
//!
//! `ROWS.f32` holds rows of little-endian float32 one after the other. Prints one line of JSON: microseconds per row of each call that
//! scored all rows, of our scorer by each kind of instructions that this processor has (`ours` is the best of them) and, in turns, of the
//! runtime; of single rows; and of explained rows. The scores go to
//! `SCORES.f64`, so that others can be compared with them.

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
    let mut found = Vec::new();
    for _ in 0..CALLS {
        for (_, scorer, of_other) in &mut by_others {
            of_other.push(per_row(&**scorer, &rows, &mut Vec::new())?);
        }
        of_ours.push(per_row(&*ours, &rows, &mut found)?);
        if let Some(runtime) = &runtime {
            of_runtime.push(per_row(runtime, &rows, &mut Vec::new())?);
        }
    }
    let written: Vec<u8> = found.iter().flat_map(|score| score.to_le_bytes()).collect();
    std::fs::write(scores, written)?;
    let single = singles(&rows, SINGLE, |row| Ok(ours.score(row, &mut Vec::new())?))?;
    let explained = singles(&rows, EXPLAINED, |row| {
        black_box(ours.explain(row).ok_or("no contributions")??);
        Ok(())
    })?;
    let mut told = serde_json::json!({ "ours": of_ours, "runtime": of_runtime, "single": single, "explained": explained });
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
