//! Numbers as people like to look at them.

/// A bar of `width` cells for a share of 0 to 1.
pub(super) fn bar(share: f64, width: usize) -> String {
    "█".repeat(cells(share, width))
}

/// How many of `width` cells a share fills; at least one as soon as there is anything.
fn cells(share: f64, width: usize) -> usize {
    (1..=width)
        .take_while(|cell| (*cell as f64 - 1.0) < share * width as f64)
        .count()
}

/// A bar left or right of a middle, for a value whose largest is `most`.
pub(super) fn signed_bar(value: f64, most: f64, half_width: usize) -> String {
    let cells = cells(value.abs() / most, half_width);
    let (empty, full) = (" ".repeat(half_width - cells), "█".repeat(cells));
    let blank = " ".repeat(half_width);
    if value < 0.0 {
        format!("{empty}{full}|{blank}")
    } else {
        format!("{blank}|{full}{empty}")
    }
}

/// Minor units of a currency with two digits, with thousands apart.
pub(super) fn money(minor: i64) -> String {
    let (major, rest) = (minor.abs() / 100, minor.abs() % 100);
    let digits = major.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|g| std::str::from_utf8(g).ok())
        .collect();
    format!(
        "{}{}.{rest:02}",
        if minor < 0 { "-" } else { "" },
        groups.join(" ")
    )
}
