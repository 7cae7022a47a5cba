use std::net::Ipv4Addr;

use tokio::time::advance;

use super::*;

const API_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

fn crowd(most: usize) -> Arc<Crowd> {
    Arc::new(Crowd::new(most, Arc::new(Metrics::default())))
}

async fn is_asked(leave: &mut Leave) -> bool {
    tokio::time::timeout(Duration::from_millis(50), &mut leave.0).await.is_ok_and(|asked| asked.is_ok())
}

/// One that has made a call.
fn used(crowd: &Arc<Crowd>, address: IpAddr) -> (Member, Leave) {
    let (member, leave) = crowd.enter(address).unwrap();
    member.is_busy();
    member.is_done();
    (member, leave)
}

/// One whose body does not come.
fn reading(crowd: &Arc<Crowd>, address: IpAddr) -> (Member, Leave) {
    let (member, leave) = crowd.enter(address).unwrap();
    member.reads();
    (member, leave)
}

/// One with a whole call.
fn busy(crowd: &Arc<Crowd>, address: IpAddr) -> (Member, Leave) {
    let (member, leave) = crowd.enter(address).unwrap();
    member.reads();
    member.is_busy();
    (member, leave)
}

#[tokio::test(start_paused = true)]
async fn who_never_called_gives_way_first_then_who_does_not_send_then_who_is_silent_longest() {
    let crowd = crowd(4);
    let mut used = used(&crowd, API_SERVER);
    advance(FAIR).await;
    let mut slow = reading(&crowd, API_SERVER);
    let mut busy = busy(&crowd, API_SERVER);
    let mut new = crowd.enter(API_SERVER).unwrap();
    advance(FAIR).await;
    let mut newcomers = Vec::new();
    for gone in [&mut new.1, &mut slow.1, &mut used.1] {
        let newcomer = crowd.enter(API_SERVER).unwrap();
        newcomer.0.is_busy();
        newcomers.push(newcomer);
        assert!(is_asked(gone).await);
    }
    assert!(!is_asked(&mut busy.1).await, "a whole call is never cut off for another");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_its_time_while_others_have_had_theirs() {
    let crowd = crowd(3);
    let (mut idle, mut slow) = (used(&crowd, API_SERVER), reading(&crowd, API_SERVER));
    advance(FAIR).await;
    let mut shaking = crowd.enter(API_SERVER).unwrap();
    let _third = busy(&crowd, API_SERVER);
    assert!(is_asked(&mut slow.1).await);
    let _fourth = crowd.enter(API_SERVER).unwrap();
    assert!(is_asked(&mut shaking.1).await && !is_asked(&mut idle.1).await, "what is kept for later goes last");
}

#[tokio::test(start_paused = true)]
async fn there_are_never_more_than_there_may_be() {
    let crowd = crowd(2);
    let (_first, mut second) = (busy(&crowd, API_SERVER), busy(&crowd, STRANGER));
    assert!(crowd.enter(API_SERVER).is_none() && crowd.enter(STRANGER).is_none());
    assert_eq!((crowd.metrics.connections.get(), crowd.metrics.connections_refused.get()), (2, 2));
    second.0.is_done();
    assert!(crowd.enter(API_SERVER).is_some() && is_asked(&mut second.1).await);
}

#[tokio::test]
async fn a_seat_is_free_when_its_connection_ends() {
    let crowd = crowd(1);
    drop(crowd.enter(API_SERVER));
    let mut second = crowd.enter(API_SERVER).unwrap();
    assert!(!is_asked(&mut second.1).await);
}

#[tokio::test(start_paused = true)]
async fn who_opens_many_loses_their_own() {
    let crowd = crowd(4);
    let mut pooled = used(&crowd, API_SERVER);
    advance(FAIR).await;
    let mut many: Vec<_> = (0..3).map(|_| used(&crowd, STRANGER)).collect();
    let _newcomer = busy(&crowd, API_SERVER);
    assert!(is_asked(&mut many[0].1).await);
    let _another = used(&crowd, STRANGER);
    assert!(is_asked(&mut many[1].1).await);
    assert!(!is_asked(&mut pooled.1).await, "it is silent for longer, and not one of many");
}

/// They announce a body each, which never comes: what the API server keeps for later must not give way to that.
#[tokio::test(start_paused = true)]
async fn who_makes_many_calls_that_do_not_come_loses_their_own() {
    let crowd = crowd(6);
    let mut pooled = [used(&crowd, API_SERVER), used(&crowd, API_SERVER)];
    let mut slow: Vec<_> = (0..4).map(|_| reading(&crowd, STRANGER)).collect();
    assert!(crowd.enter(STRANGER).is_none(), "a body has its time, and others are none of theirs");
    let _newcomer = busy(&crowd, API_SERVER);
    assert!(is_asked(&mut slow[0].1).await, "one of many has none where somebody has fewer");
    advance(FAIR).await;
    let _another = crowd.enter(STRANGER).unwrap();
    assert!(is_asked(&mut slow[1].1).await);
    for (_, leave) in &mut pooled {
        assert!(!is_asked(leave).await);
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_a_share_gets_in_though_others_are_busy() {
    let crowd = crowd(4);
    let _busy: Vec<_> = (0..3).map(|_| busy(&crowd, API_SERVER)).collect();
    let mut stranger = used(&crowd, STRANGER);
    assert!(crowd.enter(API_SERVER).is_some() && is_asked(&mut stranger.1).await);
}

#[tokio::test(start_paused = true)]
async fn there_are_fewer_for_a_while_when_files_run_out() {
    let crowd = crowd(60);
    let mut busy: Vec<_> = (0..20).map(|_| busy(&crowd, API_SERVER)).collect();
    let _idle: Vec<_> = (0..30).map(|_| used(&crowd, API_SERVER)).collect();
    let is_open = || crowd.metrics.connections.get();
    crowd.thin_out();
    assert_eq!((is_open(), crowd.metrics.connections_evicted.get()), (34, 16));
    let newcomer = used(&crowd, API_SERVER);
    assert_eq!(is_open(), 34, "it takes another's place");
    drop(newcomer);
    crowd.thin_out();
    crowd.thin_out();
    assert_eq!(is_open(), 20);
    for (_, leave) in &mut busy {
        assert!(!is_asked(leave).await, "a whole call is never cut off");
    }
    advance(FEWER_FOR).await;
    let _more = used(&crowd, API_SERVER);
    assert_eq!(is_open(), 21);
}

#[tokio::test(start_paused = true)]
async fn there_are_some_however_long_files_are_short() {
    let crowd = crowd(60);
    let mut members: Vec<_> = (0..10).map(|_| used(&crowd, API_SERVER)).collect();
    for _ in 0..20 {
        crowd.thin_out();
    }
    assert_eq!(crowd.metrics.connections.get(), FEWEST as i64);
    members.clear();
    crowd.thin_out();
    let again: Vec<_> = (0..FEWEST).map(|_| busy(&crowd, API_SERVER)).collect();
    assert_eq!(again.len(), FEWEST, "they find their places at once");
}

#[test]
fn ends_are_spread() {
    let crowd = crowd(9);
    let members: Vec<_> = (0..8).map(|_| crowd.enter(API_SERVER).unwrap().0).collect();
    let mut times: Vec<_> = members.iter().map(|member| member.spread(Duration::from_secs(600))).collect();
    assert!(times.iter().all(|time| (450..=600).contains(&time.as_secs())), "{times:?}");
    times.sort();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] > Duration::from_secs(5)), "{times:?}");
}
