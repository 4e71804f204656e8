//! A YouTube of one's own at the desk: Songkeep searches and imports from it without leaving the machine.

use clap::Parser;
use songkeep_testkit::fake_youtube::{Catalog, FakeYouTube};

#[derive(Parser)]
#[command(about = "Plays YouTube for a Songkeep on this machine; needs ffmpeg")]
struct Args {
    /// Port of 127.0.0.1 to listen on; 0 takes a free one
    #[arg(long, default_value_t = 9090)]
    port: u16,
    /// Holds so many further songs over the same audio, to see how a large catalogue feels
    #[arg(long, default_value_t = 0)]
    copies: usize,
    /// Limits each download to so many bytes a second
    #[arg(long)]
    throttle: Option<u64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    println!("Making the songs …");
    let catalog = Catalog::for_listening().await?.with_copies(args.copies);
    let youtube = FakeYouTube::start_on(args.port, catalog).await?;
    youtube.set_throttle(args.throttle);
    println!("The fake YouTube is ready. Start Songkeep in another terminal with\n");
    println!(
        "    IMPORT_UPSTREAM_PROXY={} IMPORT_CA_FILE={} make run\n",
        youtube.proxy_url(),
        youtube.ca_file().display()
    );
    println!("and search for one of these:\n");
    for video in youtube.videos().iter().take(20) {
        let (minutes, seconds) = (video.duration_sec / 60, video.duration_sec % 60);
        println!("    {minutes}:{seconds:02}  {} by {}", video.title, video.artists.join(" and "));
    }
    if args.copies > 0 {
        println!("    …     and more: each title followed by \"No. 1\" and so on");
    }
    println!("\nCtrl-C ends it.");
    tokio::signal::ctrl_c().await?;
    for host in youtube.denied_hosts() {
        println!("refused: {host}");
    }
    Ok(())
}
