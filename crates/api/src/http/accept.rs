//! Which media type the client wants (RFC 9110, section 12.5.1).

/// What we can answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Statuses say whether the request was well-formed and valid.
    GraphqlResponse,
    /// Every GraphQL response is a 200.
    Json,
    /// Server-sent events, for subscriptions.
    EventStream,
}

impl Media {
    /// In the order in which a wildcard chooses.
    const ALL: [Self; 3] = [Self::Json, Self::GraphqlResponse, Self::EventStream];

    pub const fn name(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json",
            Self::Json => "application/json",
            Self::EventStream => "text/event-stream",
        }
    }
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
            Self::EventStream => "text/event-stream; charset=utf-8",
        }
    }
}

/// The best of what we have; None where nothing of it is accepted. No header: JSON.
pub fn negotiate(accept: Option<&str>) -> Option<Media> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else { return Some(Media::Json) };
    let ranges: Vec<Range<'_>> = accept.split(',').filter_map(Range::parse).collect();
    let mut best = None;
    for media in Media::ALL {
        let Some((quality, place)) = quality_of(media, &ranges) else { continue };
        // The first of equals in the header wins, as the GraphQL over HTTP clients write it.
        let rank = (quality, std::cmp::Reverse(place));
        if quality > 0 && best.is_none_or(|(known, _)| rank > known) {
            best = Some((rank, media));
        }
    }
    best.map(|(_, media)| media)
}

struct Range<'a> {
    kind: &'a str,
    quality_permille: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().filter(|kind| kind.contains('/'))?;
        let mut quality_permille = 1000;
        for parameter in parts {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            if name.trim().eq_ignore_ascii_case("q") {
                let quality: f32 = value.trim().parse().unwrap_or(0.0);
                quality_permille = (quality.clamp(0.0, 1.0) * 1000.0) as u16;
            } else if name.trim().eq_ignore_ascii_case("charset")
                && !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            {
                return None;
            }
        }
        Some(Self { kind, quality_permille })
    }

    /// How closely the range names the media: 2 exactly, 1 by its type, 0 by `*/*`.
    fn closeness(&self, media: Media) -> Option<u8> {
        let kind = self.kind.to_ascii_lowercase();
        if kind == media.name() {
            return Some(2);
        }
        match kind.strip_suffix("/*")? {
            "*" => Some(0),
            family => media.name().starts_with(&format!("{family}/")).then_some(1),
        }
    }
}

/// The quality of the closest range, and its place in the header.
fn quality_of(media: Media, ranges: &[Range<'_>]) -> Option<(u16, usize)> {
    ranges
        .iter()
        .enumerate()
        .filter_map(|(place, range)| Some((range.closeness(media)?, range.quality_permille, place)))
        .max_by_key(|(closeness, _, place)| (*closeness, std::cmp::Reverse(*place)))
        .map(|(_, quality, place)| (quality, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_gets_what_they_mean() {
        let cases = [
            (None, Some(Media::Json)),
            (Some("*/*"), Some(Media::Json)),
            (Some("application/*"), Some(Media::Json)),
            (Some("application/json"), Some(Media::Json)),
            (Some("application/graphql-response+json"), Some(Media::GraphqlResponse)),
            (Some("application/graphql-response+json, application/json;q=0.9"), Some(Media::GraphqlResponse)),
            (Some("application/json, application/graphql-response+json"), Some(Media::Json)),
            (
                Some("application/json;q=0.5, application/graphql-response+json;q=0.8"),
                Some(Media::GraphqlResponse),
            ),
            (Some("text/event-stream"), Some(Media::EventStream)),
            (Some("text/html, */*;q=0.1"), Some(Media::Json)),
            (Some("application/json;q=0, */*"), Some(Media::GraphqlResponse)),
            (Some("APPLICATION/JSON; charset=UTF-8"), Some(Media::Json)),
            (Some("text/html"), None),
            (Some("application/json; charset=latin1"), None),
            (Some("nonsense"), None),
        ];
        for (accept, expected) in cases {
            assert_eq!(negotiate(accept), expected, "{accept:?}");
        }
    }
}
