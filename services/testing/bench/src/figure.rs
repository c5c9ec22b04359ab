//! What a work found, and the table of it.

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    work: String,
    ours: String,
    peer: String,
    ratio: String,
    bar: String,
    met: Option<bool>,
}

impl Figure {
    /// Ours against a fixed number.
    pub(crate) fn against_bar(work: &str, ours: f64, bar: f64) -> Self {
        let ratio = format!("{:.2}", ours / bar);
        Self { work: work.to_owned(), ours: rate(ours), peer: "-".to_owned(), ratio, bar: rate(bar), met: Some(ours >= bar) }
    }

    /// Ours against a peer: pairs of rates that were measured side by side. The ratio is the median of the pairs' ratios.
    pub(crate) fn against_peer(work: &str, pairs: &[(f64, f64)], bar: f64) -> Self {
        let ratio = median(pairs.iter().map(|(ours, peer)| ours / peer));
        let (ours, peer) = (median(pairs.iter().map(|pair| pair.0)), median(pairs.iter().map(|pair| pair.1)));
        let met = Some(ratio >= bar);
        Self { work: work.to_owned(), ours: rate(ours), peer: rate(peer), ratio: format!("{ratio:.2}"), bar: format!("{bar:.2}"), met }
    }

    /// Ours beside a peer, without a bar.
    pub(crate) fn beside_peer(work: &str, pairs: &[(f64, f64)]) -> Self {
        Self { bar: "-".to_owned(), met: None, ..Self::against_peer(work, pairs, 0.0) }
    }

    /// What should be little: memory, time.
    pub(crate) fn at_most(work: &str, ours: f64, unit: &str, bar: f64) -> Self {
        let (ours_told, bar_told) = (format!("{ours:.2} {unit}"), format!("{bar} {unit}"));
        let ratio = format!("{:.2}", ours / bar);
        Self { work: work.to_owned(), ours: ours_told, peer: "-".to_owned(), ratio, bar: bar_told, met: Some(ours <= bar) }
    }

    /// A figure without a bar.
    pub(crate) fn told(work: &str, ours: String) -> Self {
        let none = || "-".to_owned();
        Self { work: work.to_owned(), ours, peer: none(), ratio: none(), bar: none(), met: None }
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    percentile(&mut values.collect::<Vec<_>>(), 0.5)
}

/// The value below which this part of all values lies.
pub(crate) fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
}

fn rate(per_second: f64) -> String {
    if per_second < 99.5 {
        return format!("{per_second:.1}/s");
    }
    let digits = format!("{per_second:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + "/s"
}

/// The table; the last line counts.
pub(crate) fn print(figures: &[Figure]) {
    let verdict = |figure: &Figure| figure.met.map_or("-", |met| if met { "met" } else { "short" }).to_owned();
    let mut rows = vec![["work", "ours", "peer", "ratio", "bar", "result"].map(str::to_owned)];
    rows.extend(figures.iter().cloned().map(|figure| {
        let verdict = verdict(&figure);
        [figure.work, figure.ours, figure.peer, figure.ratio, figure.bar, verdict]
    }));
    let widths: Vec<usize> = (0..6).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    println!();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("| {} |", cells.join(" | "));
        if index == 0 {
            let lines: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            println!("| {} |", lines.join(" | "));
        }
    }
    let count = |wanted| figures.iter().filter(|figure| figure.met == Some(wanted)).count();
    println!("{} met, {} short", count(true), count(false));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_bars() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(percentile(&mut (0..=100).map(f64::from).collect::<Vec<_>>(), 0.99), 99.0);
        assert_eq!(rate(1_234_567.4), "1,234,567/s");
        assert_eq!(rate(999.0), "999/s");
        assert_eq!(Figure::against_peer("w", &[(1.0, 2.0), (3.0, 4.0), (9.0, 10.0)], 0.75).met, Some(true));
        assert_eq!(rate(8.25), "8.2/s");
        assert_eq!(Figure::against_bar("w", 9.0, 10.0).met, Some(false));
        assert_eq!(Figure::at_most("w", 9.0, "MB", 10.0).met, Some(true));
        assert_eq!(Figure::at_most("w", 11.0, "MB", 10.0).met, Some(false));
        assert_eq!(Figure::beside_peer("w", &[(1.0, 2.0)]).met, None);
    }
}
