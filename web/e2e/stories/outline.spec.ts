/** What a screen reader is told of each main view. A view may say more than stands here, not less. */
import { expect, signIn, test } from '../support/test.ts';

const OUTLINES: Record<string, string> = {
	'/': `
    - main:
      - heading "What would you like to hear?" [level=1]
      - search:
        - searchbox "Search for a song, or paste a link"
      - region "Continue listening":
        - heading "Continue listening" [level=2]
        - list "Continue listening":
          - listitem:
            - button "Play Paper Lanterns The Quiet Arcade"
      - region "Just imported":
        - heading "Just imported" [level=2]
        - link "All of the library"
        - list "Just imported":
          - listitem:
            - button "Play Paper Lanterns The Quiet Arcade"
  `,
	'/search?q=paper': `
    - main:
      - heading "Search" [level=1]
      - search:
        - searchbox "Search for a song, or paste a link": paper
        - button "Clear the search"
      - region "In your library":
        - heading "In your library" [level=2]
        - link "Show all"
        - list:
          - listitem:
            - button "Add to queue"
            - button "Play Paper Lanterns": Play
      - region "From YouTube":
        - heading "From YouTube" [level=2]
        - list:
          - listitem:
            - link /Listen to Paper Lanterns No. \\d+ on YouTube, in a new tab/
            - button /Why Paper Lanterns No. \\d+\\?/
            - button /Import Paper Lanterns No. \\d+/: Import
      - status: /1 in your library, \\d+ recordings from YouTube/
  `,
	'/library': `
    - main:
      - heading "Library" [level=1]
      - paragraph: 1 song
      - navigation "Views of the library":
        - link "Songs"
        - link "Albums"
        - link "Artists"
      - searchbox "Filter the library"
      - combobox "Order"
      - grid "Songs":
        - row
  `,
	'/library/albums': `
    - main:
      - heading "Library" [level=1]
      - paragraph: 1 album
      - list "Albums":
        - listitem:
          - link "Small Lights The Quiet Arcade"
  `,
	'/library/artists': `
    - main:
      - heading "Library" [level=1]
      - paragraph: 1 artist
      - list "Artists":
        - listitem:
          - link "The Quiet Arcade 1 song"
  `,
	'/imports': `
    - main:
      - heading "Imports" [level=1]
      - paragraph: All is well. Everything you asked for has arrived.
      - navigation "Show":
        - link "All"
        - link "In progress"
        - link "Done"
        - link "Failed"
      - region "Today":
        - heading "Today" [level=2]
        - list:
          - listitem:
            - paragraph: Paper Lanterns
            - paragraph: In your library
            - time
            - button "Play Paper Lanterns"
  `,
	'/settings': `
    - main:
      - heading "Settings" [level=1]
      - region "Appearance":
        - radiogroup "Theme"
        - radiogroup "Language"
      - region "Playback":
        - switch "Same loudness for all songs" [checked]
        - slider "Crossfade"
        - combobox "Speed"
        - button "Show them"
      - region "Account":
        - definition: ada@example.com
        - button "Send the link"
        - button "Sign out"
  `,
	'/now-playing': `
    - main:
      - heading "Now playing" [level=1]
      - article:
        - img "Cover of Paper Lanterns"
        - link "Paper Lanterns"
        - link "The Quiet Arcade"
        - slider "Place in the song"
        - button "Shuffle"
        - button "Previous song"
        - button "Play"
        - button "Next song"
        - 'button "Repeat: off"'
  `
};

test('of the way in', async ({ page, songkeep }) => {
	await page.goto(`${songkeep.url}/signin`);
	await expect(page.locator('#main')).toMatchAriaSnapshot(`
    - main:
      - heading "Welcome back" [level=1]
      - textbox "Email address"
      - textbox "Password"
      - button "Show password"
      - button "Sign in"
      - paragraph:
        - link "Forgot your password?"
      - paragraph:
        - text: New here?
        - link "Make an account"
  `);
});

test('of the views behind it, and of the player', async ({ page, songkeep }) => {
	const token = await songkeep.signUp('ada@example.com');
	await songkeep.importSongs(token, 'paper', 1);
	await signIn(page, songkeep, 'ada@example.com');
	await page.goto(`${songkeep.url}/library`);
	await page.getByRole('row').first().dblclick();
	for (const [path, outline] of Object.entries(OUTLINES)) {
		await page.goto(songkeep.url + path);
		await expect(page.locator('#main'), path).toMatchAriaSnapshot(outline);
	}
	await expect(page.getByRole('contentinfo', { name: 'Player' })).toMatchAriaSnapshot(`
    - contentinfo "Player":
      - link "Paper Lanterns"
      - link "The Quiet Arcade"
      - button "Shuffle"
      - button "Previous song"
      - button "Play"
      - button "Next song"
      - 'button "Repeat: off"'
      - slider "Place in the song"
      - button "Speed and sleep timer"
      - button "Queue"
      - button "Mute"
      - slider "Volume"
  `);
});
