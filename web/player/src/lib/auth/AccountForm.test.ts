import { flushSync, mount, unmount } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import AccountForm from './AccountForm.svelte';

type Submit = (email: string, password: string) => Promise<void>;

let shown: ReturnType<typeof mount> | undefined;

function show(submit: Submit, isNew = false): void {
	shown = mount(AccountForm, { target: document.body, props: { action: 'Go', isNew, submit } });
	flushSync();
}

function field(name: string): HTMLInputElement {
	const found = document.querySelector<HTMLInputElement>(`input[name="${name}"]`);
	if (!found) throw new Error(`no field ${name}`);
	return found;
}

function type(name: string, text: string): void {
	field(name).value = text;
	field(name).dispatchEvent(new Event('input', { bubbles: true }));
	flushSync();
}

/** Sends the form, and waits for what it comes to. */
async function send(outcome: () => void): Promise<void> {
	document.querySelector('form')?.requestSubmit();
	await vi.waitFor(outcome);
}

/** What is said about a field. */
function saidOf(name: string): string {
	const ids = field(name).getAttribute('aria-describedby')?.split(' ') ?? [];
	return ids.map((id) => document.getElementById(id)?.textContent).join(' ');
}

describe('the form of an account', () => {
	beforeEach(() => vi.stubGlobal('matchMedia', () => ({ matches: false })));
	afterEach(() => {
		if (shown) void unmount(shown);
		shown = undefined;
		document.body.replaceChildren();
		vi.unstubAllGlobals();
	});

	it('says what is missing without asking the server', async () => {
		const submit = vi.fn<Submit>();
		show(submit, true);
		type('email', 'ada');
		type('password', 'short');
		await send(() => {
			expect(submit).not.toHaveBeenCalled();
			expect(saidOf('email')).toContain('name@example.com');
			expect(saidOf('password')).toContain('at least 8');
			expect(document.activeElement).toBe(field('email'));
		});
	});

	it('takes no old password for too short', async () => {
		const submit = vi.fn<Submit>(async () => undefined);
		show(submit);
		type('email', ' ada@example.com ');
		type('password', 'old');
		await send(() => {
			expect(submit).toHaveBeenCalledWith('ada@example.com', 'old');
		});
	});

	it('shows the server’s complaint at its field', async () => {
		show(async () => {
			const errors = [{ field: 'email', code: 'invalid', detail: 'This is no address.' }];
			throw { status: 422, code: 'invalid', detail: 'Something is wrong.', errors };
		});
		type('email', 'ada@example');
		type('password', 'whatever');
		await send(() => {
			expect(saidOf('email')).toBe('This is no address.');
			expect(document.querySelector('[role="alert"]')).toBeNull();
			expect(document.activeElement).toBe(field('email'));
		});
	});

	it('shows what concerns no field above its button, and lets the password be corrected', async () => {
		show(async () => {
			throw { status: 401, code: 'invalid_credentials', detail: 'The address or the password is wrong.' };
		});
		type('email', 'ada@example.com');
		type('password', 'wrong');
		await send(() => {
			expect(document.querySelector('[role="alert"]')?.textContent).toBe(
				'The address or the password is wrong.'
			);
			expect(document.activeElement).toBe(field('password'));
		});
	});

	it('says so when the server is not reached', async () => {
		show(async () => {
			throw new TypeError('Failed to fetch');
		});
		type('email', 'ada@example.com');
		type('password', 'whatever');
		await send(() => {
			expect(document.querySelector('[role="alert"]')?.textContent).toContain('cannot be reached');
		});
	});
});
