use flashlight_tests::Network;
use std::time::Instant;
#[test]
fn time_254() {
    for n in [24u16, 60, 254] {
        let mut net = Network::new(n, 3, 1);
        let t = Instant::now();
        let a = net.advertise(&[]).unwrap();
        eprintln!("{n} adv {:?}", t.elapsed());
        let s = a.share(&mut net, &[]).unwrap();
        eprintln!("{n} share {:?}", t.elapsed());
        let s = s.acknowledge(&[]).unwrap();
        eprintln!("{n} ack {:?}", t.elapsed());
        let s = s.mask(&net, &net.everybody()[..3].to_vec()).unwrap();
        eprintln!("{n} mask {:?}", t.elapsed());
        let s = s.confirm(&[]).unwrap();
        eprintln!("{n} conf {:?}", t.elapsed());
        let s = s.collect(&[]);
        eprintln!("{n} unmask {:?}", t.elapsed());
        let s = s.close().unwrap();
        eprintln!("{n} close {:?}", t.elapsed());
        let over = s.survivors().to_vec();
        assert_eq!(s.words(), net.plain_sum(&over));
    }
}
