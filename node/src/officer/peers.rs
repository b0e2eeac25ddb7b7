//! `peers` and `vouch`: the districts of the network, whom this one trusts, and its word for another.

use std::fmt;
use std::path::Path;

use flashlight_proto::identity::{DistrictId, IdentityKey};
use flashlight_proto::roster::{MemberState, Roster};
use flashlight_proto::vouch::{Vouch, log_origin};
use serde::Serialize;

use super::error::OfficerError;
use super::hub::Hub;
use super::{Said, entries, policy, shell};
use crate::consent::{Policy, Witnesses};
use crate::enroll::Membership;
use crate::gate::POLICY_FILE;
use crate::journal::last_roster;

/// The network as this district sees it.
#[derive(Debug, Serialize)]
struct Peers {
    /// Of the roster.
    version: u64,
    /// Active members that count as colluding with the hub: x.
    colluding: usize,
    /// Least `max_colluding` of a round with all active members, for this node to take part.
    max_colluding_least: usize,
    members: Vec<Peer>,
}

/// One member.
#[derive(Debug, Serialize)]
struct Peer {
    district: DistrictId,
    name: String,
    /// `active` or `revoked`.
    state: &'static str,
    key: IdentityKey,
    /// Whether it counts as possibly honest.
    counts: bool,
    /// Why, or why not.
    standing: String,
    /// For `[trust.districts]` in policy.toml, once the key was compared by phone; where it is needed.
    policy_line: Option<String>,
}

impl Peers {
    fn of(policy: &Policy, witnesses: Witnesses<'_>) -> Self {
        let trust = policy.trust(witnesses);
        let state = |district| witnesses.roster.find(district).map(|member| member.state);
        let members = trust.peers().map(|peer| {
            let active = state(&peer.district) == Some(MemberState::Active);
            let line = || format!("\"{}\" = \"{}\"", peer.district, peer.key);
            Peer {
                district: peer.district.clone(),
                name: peer.name.clone(),
                state: state(&peer.district).map_or("", MemberState::as_str),
                key: peer.key,
                counts: peer.standing.counts(),
                standing: peer.standing.describe(),
                policy_line: (active && !peer.standing.counts()).then(line),
            }
        });
        let members: Vec<Peer> = members.collect();
        let active = MemberState::Active.as_str();
        let strangers = members.iter().filter(|one| one.state == active && !one.counts);
        let colluding = strangers.count();
        let max_colluding_least = colluding + usize::from(policy.floors.min_colluding);
        let version = witnesses.roster.version();
        Self { version, colluding, max_colluding_least, members }
    }
}

impl fmt::Display for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "roster version {}", self.version)?;
        for Peer { district, name, state, key, standing, policy_line, .. } in &self.members {
            writeln!(f, "\n{district}  {state}  {name}\n  {key}\n  {standing}")?;
            if let Some(line) = policy_line {
                writeln!(f, "  policy.toml: {line}")?;
            }
        }
        let (colluding, least) = (self.colluding, self.max_colluding_least);
        let count = match colluding {
            1 => "1 active district counts".to_owned(),
            count => format!("{count} active districts count"),
        };
        writeln!(
            f,
            "\n{count} as colluding with the hub; a round with all active districts is refused \
             unless its max_colluding is at least {least}"
        )
    }
}

/// What the hub shows, with its signature checked and its changes named.
struct Shown {
    hub: Hub,
    roster: Roster,
    vouches: Vec<Vouch>,
    /// What contradicts what this node knows; the running node would refuse this roster.
    warnings: Vec<String>,
}

async fn fetch(dir: &Path, membership: &Membership) -> Result<Shown, OfficerError> {
    let mut hub = Hub::dial(membership).await?;
    let (signed, vouches) = hub.roster().await?;
    let roster = signed.verify(&membership.hub_key())?;
    let last = last_roster(entries(dir)?)?;
    let own = (membership.district(), membership.identity().public());
    let warnings = contradictions(&roster, last.as_ref(), own);
    Ok(Shown { hub, roster, vouches, warnings })
}

/// What is wrong with a roster that the hub signed.
fn contradictions(
    roster: &Roster,
    last: Option<&Roster>,
    own: (&DistrictId, IdentityKey),
) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(Err(error)) = last.map(|last| roster.follows(last)) {
        warnings.push(format!(
            "WARNING: the roster contradicts the last one this node accepted: {error} ({})",
            error.code()
        ));
        warnings.push(format!("hint: {}", error.hint()));
    }
    if roster.find(own.0).is_none_or(|member| member.key != own.1) {
        warnings.push(
            "WARNING: the roster does not hold this district under its own key (roster_own_key)"
                .to_owned(),
        );
        warnings.push(
            "hint: tell the hub: somebody else may have enrolled in this district's name"
                .to_owned(),
        );
    }
    warnings
}

/// Shows every member of the newest roster.
pub(super) async fn peers(
    dir: &Path,
    membership: &Membership,
    json: bool,
) -> Result<Said, OfficerError> {
    let mut notes = Vec::new();
    let policy = policy(dir, &mut notes)?;
    let Shown { roster, vouches, warnings, .. } = fetch(dir, membership).await?;
    let witnesses = Witnesses {
        district: membership.district(),
        roster: &roster,
        vouches: &vouches,
        log_origin: &log_origin(&membership.hub_key()),
    };
    let peers = Peers::of(&policy, witnesses);
    let text = if json { serde_json::to_string_pretty(&peers)? } else { peers.to_string() };
    if peers.members.iter().any(|one| one.policy_line.is_some()) {
        notes.push(format!(
            "before you copy a line into [trust.districts] of {}: call that district at a number you \
             did not get from the hub, and compare the whole key",
            shell(&dir.join(POLICY_FILE))
        ));
    }
    let refused = !warnings.is_empty();
    notes.extend(warnings);
    Ok(Said { text, notes, refused })
}

/// Vouches for a district under the key it read out, if that is the roster's.
pub(super) async fn vouch(
    dir: &Path,
    membership: &Membership,
    district: &DistrictId,
    typed: &IdentityKey,
) -> Result<Said, OfficerError> {
    let Shown { mut hub, roster, warnings, .. } = fetch(dir, membership).await?;
    let name = check_vouch(&roster, membership.district(), district, typed)?;
    let vouch = Vouch::sign(
        membership.district().clone(),
        membership.identity(),
        district.clone(),
        *typed,
        &log_origin(&membership.hub_key()),
    );
    hub.vouch(&vouch).await?;
    let text = format!("vouched for {district} ({name}) under {typed}");
    let mut notes = warnings;
    notes.push(
        "the hub passes it on; it counts for districts that list this one, together with one more"
            .to_owned(),
    );
    Ok(Said { text, notes, refused: false })
}

/// Whether this may be vouched for; gives the district's name.
fn check_vouch(
    roster: &Roster,
    own: &DistrictId,
    district: &DistrictId,
    typed: &IdentityKey,
) -> Result<String, OfficerError> {
    if district == own {
        return Err(OfficerError::Own { district: district.clone() });
    }
    let member = roster.find(district).filter(|member| member.state == MemberState::Active);
    let member = member.ok_or_else(|| OfficerError::NotMember { district: district.clone() })?;
    if member.key != *typed {
        let (district, roster, typed) = (district.clone(), member.key, *typed);
        return Err(OfficerError::KeyDiffers { district, roster, typed });
    }
    Ok(member.name.clone())
}

#[cfg(test)]
mod tests {
    use flashlight_proto::canonical::Digest;
    use flashlight_proto::identity::IdentitySecret;
    use flashlight_proto::roster::Member;
    use zeroize::Zeroizing;

    use super::*;

    const ORIGIN: &str = "a network";

    fn secret(seed: u8) -> IdentitySecret {
        IdentitySecret::from_seed(&Zeroizing::new([seed; 32])).unwrap()
    }

    fn id(district: u8) -> DistrictId {
        format!("d{district}").parse().unwrap()
    }

    /// Districts d1 to d5 under keys 1 to 5, but for `changed`; d5 was revoked.
    fn roster(version: u64, changed: Option<(u8, u8)>) -> Roster {
        let key = |one| changed.filter(|(district, _)| *district == one).map_or(one, |(_, to)| to);
        let members = (1..=5).map(|one| Member {
            district: id(one),
            name: format!("District {one}"),
            key: secret(key(one)).public(),
            certificate: Digest::of(&[one]),
            state: if one == 5 { MemberState::Revoked } else { MemberState::Active },
        });
        Roster::new(version, secret(100).public(), members.collect()).unwrap()
    }

    /// As d1 sees it, which lists d2 and d3.
    fn seen(roster: &Roster, vouches: &[Vouch]) -> Peers {
        let listed = |one| format!("\"{}\" = \"{}\"\n", id(one), secret(one).public());
        let text = format!("[trust.districts]\n{}{}", listed(2), listed(3));
        let policy = Policy::parse(&text, Path::new("policy.toml")).unwrap();
        let own = id(1);
        Peers::of(&policy, Witnesses { district: &own, roster, vouches, log_origin: ORIGIN })
    }

    fn vouch(voucher: u8) -> Vouch {
        Vouch::sign(id(voucher), &secret(voucher), id(4), secret(4).public(), ORIGIN)
    }

    #[test]
    fn a_stranger_counts_as_colluding_until_two_listed_districts_vouch_for_it() {
        let (one, two) = (seen(&roster(1, None), &[vouch(2)]), [vouch(2), vouch(3)]);
        assert_eq!((one.colluding, one.max_colluding_least), (1, 2));
        let text = one.to_string();
        let key = secret(4).public();
        let shown = format!(
            "\nd4  active  District 4\n  {key}\n  not trusted: d2 vouches for it, at least one more is needed\n  \
             policy.toml: \"d4\" = \"{key}\"\n"
        );
        assert!(text.contains(&shown), "{text}");
        assert!(text.contains("1 active district counts as colluding"), "{text}");
        let both = seen(&roster(1, None), &two);
        assert_eq!(both.colluding, 0);
        let text = both.to_string();
        assert!(text.contains("\n  trusted: d2, d3 vouch for it\n"), "{text}");
        assert!(!text.contains("policy.toml: "), "{text}");
    }

    #[test]
    fn a_revoked_member_is_shown_without_a_line_to_copy_and_does_not_count() {
        let peers = seen(&roster(1, None), &[vouch(2), vouch(3)]);
        let revoked = peers.members.iter().find(|one| one.district == id(5)).unwrap();
        assert_eq!((revoked.state, revoked.policy_line.as_ref()), ("revoked", None));
        assert_eq!(peers.colluding, 0);
    }

    #[test]
    fn the_line_to_copy_is_one_that_the_policy_reads() {
        let peers = seen(&roster(1, None), &[]);
        let line = peers.members.iter().find_map(|one| one.policy_line.clone()).unwrap();
        let policy =
            Policy::parse(&format!("[trust.districts]\n{line}\n"), Path::new("policy.toml"));
        assert_eq!(policy.unwrap().trusted.get(&id(4)), Some(&secret(4).public()));
    }

    #[test]
    fn a_roster_that_contradicts_the_last_one_is_named() {
        let own_id = id(1);
        let own = (&own_id, secret(1).public());
        let last = roster(2, None);
        assert_eq!(contradictions(&roster(3, None), Some(&last), own), [""; 0]);
        assert_eq!(contradictions(&roster(3, None), None, own), [""; 0]);
        let said = |roster: &Roster| contradictions(roster, Some(&last), own).join("\n");
        assert!(said(&roster(1, None)).contains("(roster_rolled_back)"));
        let changed = said(&roster(3, Some((3, 33))));
        assert!(changed.contains("d3") && changed.contains("(roster_key_changed)"), "{changed}");
        assert!(said(&roster(3, Some((1, 11)))).contains("(roster_own_key)"));
    }

    #[test]
    fn nobody_vouches_for_a_key_that_the_roster_does_not_show() {
        let roster = roster(1, None);
        let check = |district, key: u8| {
            let checked = check_vouch(&roster, &id(1), &id(district), &secret(key).public());
            checked.map_or_else(|error| error.code(), |_| "may vouch")
        };
        assert_eq!(check(4, 4), "may vouch");
        assert_eq!(check(4, 3), "vouch_key_differs");
        assert_eq!(check(1, 1), "vouch_self");
        assert_eq!(check(5, 5), "district_unknown");
        assert_eq!(check(9, 9), "district_unknown");
    }
}
