//! Rounds during which other machines left this one its cores. A virtual machine shares them with others, and while these have
//! them whatever is measured is the wait for a core.

use crate::Fault;

/// Of the cores' time: where others had no more, a round counts as quiet.
const QUIET: f64 = 0.03;

/// The rounds during which others had the least of the cores.
pub struct Rounds<T> {
    pub kept: Vec<T>,
    /// The least and the greatest part of the cores' time that others had during one of them.
    stolen: [f64; 2],
    made: usize,
}

/// Makes rounds until as many as are wanted were quiet, or as many as may be are made.
pub async fn rounds<T>(
    wanted: usize,
    at_most: usize,
    mut round: impl AsyncFnMut() -> Result<T, Fault>,
) -> Result<Rounds<T>, Fault> {
    let mut all = Vec::new();
    let is_quiet = |(stolen, _): &&(f64, T)| *stolen <= QUIET;
    while all.len() < at_most && all.iter().filter(is_quiet).count() < wanted {
        let before = Cores::now()?;
        let figure = round().await?;
        all.push((Cores::now()?.stolen_since(&before), figure));
    }
    let made = all.len();
    all.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    all.truncate(wanted);
    let stolen = |round: Option<&(f64, T)>| round.map_or(0.0, |(stolen, _)| *stolen);
    let stolen = [stolen(all.first()), stolen(all.last())];
    Ok(Rounds { kept: all.into_iter().map(|(_, figure)| figure).collect(), stolen, made })
}

impl<T> Rounds<T> {
    pub fn said(&self) -> String {
        let [least, most] = self.stolen.map(|part| part * 100.0);
        let (kept, made) = (self.kept.len(), self.made);
        let warning = if self.stolen[1] > QUIET { ", too much to say anything" } else { "" };
        format!(
            "the {kept} quietest of {made} rounds: other machines had {least:.0} to {most:.0} % of the cores{warning}"
        )
    }
}

/// What the cores' time went to since the machine started, in ticks.
struct Cores {
    all: u64,
    stolen: u64,
}

impl Cores {
    /// Linux, Documentation/filesystems/proc.rst, section 1.7: user, nice, system, idle, iowait, irq, softirq, steal.
    fn now() -> Result<Self, Fault> {
        let stat = std::fs::read_to_string("/proc/stat")?;
        let of_all = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
        let ticks = of_all.map(str::parse::<u64>).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { all: ticks.iter().sum(), stolen: ticks.get(7).copied().unwrap_or_default() })
    }

    fn stolen_since(&self, before: &Self) -> f64 {
        // The same page says that they may go back.
        let stolen = self.stolen.saturating_sub(before.stolen);
        stolen as f64 / self.all.saturating_sub(before.all).max(1) as f64
    }
}
