//! Choice, health and queue of a model's targets, on a clock that the test moves.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use helan::clock::Clock;
use helan::fleet::{Fault, Fleet, Lease, Member, Settings, Standing, State, Unavailable, affinity};
use proptest::prelude::*;
use time::OffsetDateTime;

fn clock() -> Clock {
    Clock::manual(OffsetDateTime::UNIX_EPOCH, 1)
}

fn member(priority: u32, weight: u32) -> Member {
    Member { priority, weight, max_concurrency: None }
}

fn fleet_of(members: &[Member], settings: Settings, clock: &Clock) -> Arc<Fleet> {
    let members: Vec<_> = members.iter().map(|m| (*m, Arc::new(State::default()))).collect();
    Arc::new(Fleet::new(members, settings, clock.clone()))
}

fn fleet(members: &[Member], clock: &Clock) -> Arc<Fleet> {
    fleet_of(members, Settings::default(), clock)
}

fn random() -> fastrand::Rng {
    fastrand::Rng::with_seed(11)
}

fn index(chosen: Result<Lease, Unavailable>) -> Result<usize, Unavailable> {
    chosen.map(|lease| lease.index())
}

fn break_it(fleet: &Arc<Fleet>, which: usize, times: usize) {
    let others: Vec<usize> = (0..fleet.states().count()).filter(|i| *i != which).collect();
    for _ in 0..times {
        let mut lease = fleet.choose(&others, None, &mut random()).unwrap();
        assert_eq!(lease.index(), which);
        lease.failed(Fault::Broken);
    }
}

fn stands(fleet: &Fleet, which: usize, clock: &Clock) -> Standing {
    fleet.states().nth(which).unwrap().standing(clock.monotonic())
}

#[test]
fn a_lower_priority_is_asked_only_when_no_better_one_can_be() {
    let clock = clock();
    let busy = Member { max_concurrency: Some(1), ..member(0, 1) };
    let fleet = fleet(&[member(7, 1), busy, member(9, 1)], &clock);
    let random = &mut random();
    let first = fleet.choose(&[], None, random).unwrap();
    assert_eq!(first.index(), 1);
    let second = fleet.choose(&[], None, random).unwrap();
    assert_eq!(second.index(), 0, "the best is full");
    drop(first);
    assert_eq!(index(fleet.choose(&[], None, random)), Ok(1), "it has room again");
    assert_eq!(index(fleet.choose(&[1], None, random)), Ok(0), "it was tried");
    assert_eq!(index(fleet.choose(&[0, 1, 2], None, random)), Err(Unavailable::Tried));
}

#[test]
fn weights_are_kept() {
    let clock = clock();
    let fleet = fleet(&[member(0, 3), member(0, 1), member(0, 0)], &clock);
    let mut random = random();
    let mut count = [0_u32; 3];
    // In flight together, so that the load takes part.
    let mut leases = vec![];
    for _ in 0..400 {
        let lease = fleet.choose(&[], None, &mut random).unwrap();
        count[lease.index()] += 1;
        leases.push(lease);
    }
    assert!((280..=320).contains(&count[0]), "{count:?}");
    assert_eq!(count[2], 0, "a weight of zero stands aside");
    assert_eq!(index(fleet.choose(&[0, 1], None, &mut random)), Ok(2), "until nobody else is left");
}

#[test]
fn the_quicker_target_gets_more() {
    let clock = clock();
    let fleet = fleet(&[member(0, 1), member(0, 1)], &clock);
    let mut random = random();
    for (which, takes) in [(0, 10), (1, 40)] {
        let mut lease = fleet.choose(&[1 - which], None, &mut random).unwrap();
        clock.advance(Duration::from_millis(takes));
        lease.answered();
    }
    let mut leases = vec![];
    for _ in 0..100 {
        leases.push(fleet.choose(&[], None, &mut random).unwrap());
    }
    let first = leases.iter().filter(|lease| lease.index() == 0).count();
    assert!((70..=90).contains(&first), "four times as quick: {first} of 100");
}

#[test]
fn a_target_that_fails_rests_longer_each_time() {
    let clock = clock();
    let fleet = fleet(&[member(0, 1), member(0, 1)], &clock);
    let mut random = random();
    break_it(&fleet, 0, 4);
    assert_eq!(stands(&fleet, 0, &clock), Standing::Well, "four in a row may be the questions");
    break_it(&fleet, 0, 1);
    for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
        let until = clock.monotonic() + Duration::from_secs(seconds);
        assert_eq!(stands(&fleet, 0, &clock), Standing::Resting { until });
        for _ in 0..20 {
            assert_eq!(index(fleet.choose(&[], None, &mut random)), Ok(1));
        }
        clock.advance(Duration::from_secs(seconds));
        // One call tries it; the others go on elsewhere.
        let mut probe = fleet.choose(&[1], None, &mut random).unwrap();
        assert_eq!(probe.index(), 0);
        for _ in 0..20 {
            assert_eq!(index(fleet.choose(&[], None, &mut random)), Ok(1));
        }
        probe.failed(Fault::Unreachable);
    }
    clock.advance(Duration::from_mins(5));
    drop(fleet.choose(&[1], None, &mut random).unwrap()); // its caller left: nothing was learnt
    let mut probe = fleet.choose(&[1], None, &mut random).unwrap();
    probe.answered();
    assert_eq!(stands(&fleet, 0, &clock), Standing::Well);
    break_it(&fleet, 0, 4);
    assert_eq!(stands(&fleet, 0, &clock), Standing::Well, "the count began anew");
}

#[test]
fn a_success_between_failures_is_no_outage() {
    let clock = clock();
    let fleet = fleet(&[member(0, 1), member(0, 1)], &clock);
    for _ in 0..10 {
        break_it(&fleet, 0, 4);
        fleet.choose(&[1], None, &mut random()).unwrap().answered();
    }
    assert_eq!(stands(&fleet, 0, &clock), Standing::Well);
}

#[test]
fn a_busy_target_is_left_alone_as_long_as_it_asks() {
    let clock = clock();
    let fleet = fleet(&[member(0, 1), member(1, 1)], &clock);
    let mut random = random();
    let mut lease = fleet.choose(&[], None, &mut random).unwrap();
    lease.failed(Fault::Busy { rest: Duration::from_secs(3) });
    drop(lease);
    assert_eq!(index(fleet.choose(&[], None, &mut random)), Ok(1));
    clock.advance(Duration::from_secs(3));
    assert_eq!(index(fleet.choose(&[], None, &mut random)), Ok(0));
}

#[test]
fn when_nobody_is_well_the_first_to_be_is_asked() {
    let clock = clock();
    let fleet = fleet(&[member(0, 1), member(0, 1)], &clock);
    break_it(&fleet, 0, 5);
    clock.advance(Duration::from_secs(1));
    break_it(&fleet, 1, 5);
    assert_eq!(index(fleet.choose(&[], None, &mut random())), Ok(0), "refusing helps nobody");
    let alone = self::fleet(&[member(0, 1)], &clock);
    break_it(&alone, 0, 50);
    assert_eq!(index(alone.choose(&[], None, &mut random())), Ok(0));
}

#[test]
fn a_conversation_stays_where_its_cache_is_warm() {
    let clock = clock();
    let members = [member(0, 1), member(0, 1), member(0, 2)];
    let fleet = fleet(&members, &clock);
    let mut random = random();
    let mut count = [0_u32; 3];
    for number in 0..800_u32 {
        let key = affinity(&[b"team-a", &number.to_be_bytes()]);
        let chosen = fleet.choose(&[], Some(key), &mut random).unwrap().index();
        count[chosen] += 1;
        assert_eq!(index(fleet.choose(&[], Some(key), &mut random)), Ok(chosen));
        // Without another target, it stays too.
        let other = (chosen + 1) % 3;
        assert_eq!(index(fleet.choose(&[other], Some(key), &mut random)), Ok(chosen));
    }
    assert!(count[2] > 340 && count[2] < 460 && count[0] > 150 && count[1] > 150, "{count:?}");
    assert_ne!(affinity(&[b"ab", b"c"]), affinity(&[b"a", b"bc"]));

    // A hot conversation spills over and comes back.
    let key = affinity(&[b"team-a", b"hot"]);
    let leases: Vec<_> =
        (0..30).map(|_| fleet.choose(&[], Some(key), &mut random).unwrap()).collect();
    // A quarter more than its share, by weight: 1.25 × 30 ÷ 4, and twice that.
    for (which, most) in [(0, 10), (1, 10), (2, 19)] {
        let here = leases.iter().filter(|lease| lease.index() == which).count();
        assert!((1..=most).contains(&here), "{which}: {here} of 30");
    }
    let home = leases[0].index();
    drop(leases);
    assert_eq!(index(fleet.choose(&[], Some(key), &mut random)), Ok(home));
}

#[test]
fn all_targets_together_have_a_limit() {
    let clock = clock();
    let settings = Settings { max_calls: Some(2), ..Settings::default() };
    let fleet = fleet_of(&[member(0, 1), member(0, 1)], settings, &clock);
    let mut random = random();
    let one = fleet.choose(&[], None, &mut random).unwrap();
    let _two = fleet.choose(&[], None, &mut random).unwrap();
    assert_eq!(index(fleet.choose(&[], None, &mut random)), Err(Unavailable::Full));
    drop(one);
    assert!(fleet.choose(&[], None, &mut random).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_fair_and_patient_for_so_long() {
    let clock = clock();
    let one = Member { max_concurrency: Some(1), ..member(0, 1) };
    let wait = Duration::from_secs(5);
    let settings = Settings { queue: 2, queue_wait: wait, ..Settings::default() };
    let fleet = fleet_of(&[one], settings, &clock);
    let mut random = random();
    let held = fleet.lease(&[], None, &mut random).await.unwrap();
    let waiter = || {
        let fleet = Arc::clone(&fleet);
        Box::pin(async move { fleet.lease(&[], None, &mut fastrand::Rng::with_seed(1)).await })
    };
    let (mut first, mut second) = (waiter(), waiter());
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(fleet.waiting(), 2);
    // The third finds no place, and is told at once.
    assert_eq!(index(fleet.lease(&[], None, &mut random).await), Err(Unavailable::Full));
    drop(held);
    assert!(second.as_mut().now_or_never().is_none(), "in the order of arrival");
    let first = first.await.unwrap();
    // The second waits out its time.
    tokio::time::advance(wait).await;
    assert_eq!(index(second.await), Err(Unavailable::Full));
    assert_eq!(fleet.waiting(), 0);
    // A waiter that left gives its place back.
    let mut third = waiter();
    assert!(third.as_mut().now_or_never().is_none());
    drop(third);
    assert_eq!(fleet.waiting(), 0);
    drop(first);
    assert!(fleet.lease(&[], None, &mut random).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_waits_goes_before_those_of_the_next_configuration() {
    let clock = clock();
    let settings = Settings { max_calls: Some(1), queue: 1, ..Settings::default() };
    let before = fleet_of(&[member(0, 1)], settings.clone(), &clock);
    let held = before.lease(&[], None, &mut random()).await.unwrap();
    let waiter = |fleet: &Arc<Fleet>| {
        let fleet = Arc::clone(fleet);
        Box::pin(async move { fleet.lease(&[], None, &mut random()).await })
    };
    let mut old = waiter(&before);
    assert!(old.as_mut().now_or_never().is_none());
    let settings = Settings { queue: 2, ..settings };
    let members = [(member(0, 1), Arc::new(State::default()))];
    let after = Fleet::new(members, settings, clock.clone()).in_place_of(&before);
    let after = Arc::new(after);
    assert_eq!((after.in_flight(), after.waiting()), (1, 1));
    let mut new = waiter(&after);
    assert!(new.as_mut().now_or_never().is_none());
    drop(held);
    assert!(new.as_mut().now_or_never().is_none(), "in the order of arrival");
    let old = old.await.unwrap();
    assert!(new.as_mut().now_or_never().is_none());
    drop(old);
    let new = new.await.unwrap();
    assert_eq!((before.in_flight(), after.waiting()), (1, 0));
    drop(new);
    assert_eq!(after.in_flight(), 0);
}

#[test]
fn two_threads_never_take_the_same_last_place() {
    let clock = clock();
    let settings = Settings { max_calls: Some(3), ..Settings::default() };
    let one = Member { max_concurrency: Some(1), ..member(0, 1) };
    let fleet = fleet_of(&[one, Member { priority: 1, ..one }, member(2, 1)], settings, &clock);
    std::thread::scope(|threads| {
        for seed in 0..4 {
            let fleet = &fleet;
            threads.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..5_000 {
                    let lease = fleet.choose(&[], None, &mut random);
                    let each: Vec<_> = fleet.states().map(|state| state.in_flight()).collect();
                    assert!(each[0] <= 1 && each[1] <= 1, "{each:?}");
                    assert!(fleet.in_flight() <= 3);
                    drop(lease);
                }
            });
        }
    });
    assert_eq!(fleet.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn retries_are_a_part_of_the_calls() {
    let clock = clock();
    let fleet = fleet(&[member(0, 1)], &clock);
    let mut random = random();
    for _ in 0..100 {
        drop(fleet.choose(&[], None, &mut random));
    }
    let allowed = (0..100).filter(|_| fleet.may_retry(1)).count();
    assert!((20..=40).contains(&allowed), "a fifth of a hundred, and a few: {allowed}");
    assert!(!fleet.may_retry(3), "a call has two more attempts");
}

proptest! {
    /// Whatever happens, places are given back, and no full target is chosen.
    #[test]
    fn no_place_is_lost(steps in proptest::collection::vec((0..4_u8, 0..8_usize), 0..60)) {
        let clock = clock();
        let limited = Member { max_concurrency: Some(2), ..member(0, 1) };
        let fleet = fleet(&[limited, limited, Member { priority: 1, ..limited }], &clock);
        let mut random = random();
        let mut leases: Vec<Lease> = vec![];
        for (step, which) in steps {
            match step {
                0 => leases.extend(fleet.choose(&[], None, &mut random)),
                1 if which < leases.len() => drop(leases.swap_remove(which)),
                2 if which < leases.len() => leases[which].failed(Fault::Broken),
                3 if which < leases.len() => leases[which].answered(),
                _ => clock.advance(Duration::from_secs(which as u64)),
            }
            for (index, state) in fleet.states().enumerate() {
                let held = leases.iter().filter(|lease| lease.index() == index).count();
                prop_assert_eq!(state.in_flight(), held);
                prop_assert!(held <= 2);
            }
        }
    }
}
