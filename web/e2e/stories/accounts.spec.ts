/** Links in mails, and a password that was forgotten. */
import { PASSWORD } from '../support/songkeep.ts';
import { expect, test } from '../support/test.ts';

test.describe('with verification by mail', () => {
	test.use({
		settings: { EMAIL_VERIFY_REQUIRED: '1', EXPOSE_VERIFICATION_TOKEN: '1' },
		expected: /status of 40[034]/
	});

	test('an address is verified by its link, once', async ({ page, songkeep }) => {
		const account = { email: 'ada@example.com', password: PASSWORD };
		const { verification_token: token } = await songkeep.call<{ verification_token: string }>(
			'POST',
			'/auth/signup',
			{
				body: account
			}
		);
		await page.goto(`${songkeep.url}/verify#token=${token}`);
		await expect(page.getByRole('heading', { name: 'Your address is verified' })).toBeVisible();
		expect(page.url()).not.toContain(token);
		await page.goto('about:blank');
		await page.goto(`${songkeep.url}/verify#token=${token}`);
		await expect(page.getByRole('heading', { name: 'This link did not work' })).toBeVisible();
	});

	test('somebody who signs up is told what to do next', async ({ page, songkeep }) => {
		await page.goto(`${songkeep.url}/signup`);
		await page.getByLabel('Email address').fill('ada@example.com');
		await page.getByLabel('Password', { exact: true }).fill('short');
		await page.getByRole('button', { name: 'Make an account' }).click();
		await expect(page.getByText('Use at least 8 characters.')).toBeVisible();
		await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
		await page.getByRole('button', { name: 'Make an account' }).click();
		await expect(page.getByRole('heading', { name: 'Check your mail' })).toBeVisible();
		await page.getByRole('button', { name: 'Verify now' }).click();
		await expect(page.getByRole('heading', { name: 'Three steps to your music' })).toBeVisible();
	});
});

test.describe('refusals', () => {
	test.use({ expected: /status of 40[13]/ });

	test('a wrong password is told beside the form', async ({ page, songkeep }) => {
		await songkeep.signUp('ada@example.com');
		await page.goto(`${songkeep.url}/signin`);
		await page.getByLabel('Email address').fill('ada@example.com');
		await page.getByLabel('Password', { exact: true }).fill('not the password');
		await page.getByRole('button', { name: 'Sign in' }).click();
		await expect(page.getByRole('alert')).toBeVisible();
		await expect(page.getByLabel('Email address')).toHaveValue('ada@example.com');
	});
});

test('a forgotten password is set anew by the link of a mail', async ({ page, songkeep }) => {
	await songkeep.signUp('ada@example.com');
	await page.goto(`${songkeep.url}/signin`);
	await page.getByRole('link', { name: 'Forgot your password?' }).click();
	await page.getByLabel('Email address').fill('ada@example.com');
	await page.getByRole('button', { name: 'Send the link' }).click();
	await expect(page.getByRole('heading', { name: 'Check your mail' })).toBeVisible();
	// Without a mail server mails go to the log.
	const [, link = ''] = await songkeep.says(/(http\S+\/reset#token=[^\s"]+)/);
	await page.goto(link);
	await page.getByLabel('New password').fill('another long one');
	await page.getByRole('button', { name: 'Set password' }).click();
	await expect(page.getByText('Your password is changed.', { exact: false })).toBeVisible();
	await page.getByLabel('Email address').fill('ada@example.com');
	await page.getByLabel('Password', { exact: true }).fill('another long one');
	await page.getByRole('button', { name: 'Sign in' }).click();
	await expect(page.getByRole('navigation', { name: 'Main' }).first()).toBeVisible();
});
