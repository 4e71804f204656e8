import { describe, expect, it } from 'vitest';
import { Shortcuts, type Press } from './shortcuts';

function press(key: string, fields: Partial<Press> = {}): Press {
	return {
		key,
		ctrlKey: false,
		metaKey: false,
		altKey: false,
		shiftKey: false,
		defaultPrevented: false,
		isComposing: false,
		target: document.body,
		timeStamp: 0,
		...fields
	};
}

function element(html: string): Element {
	const holder = document.createElement('div');
	holder.innerHTML = html;
	return holder.querySelector('[data-here]') ?? (holder.firstElementChild as Element);
}

const actionOf = (key: string, fields: Partial<Press> = {}) => new Shortcuts().actionFor(press(key, fields));

describe('keys', () => {
	it('play, seek and find from anywhere', () => {
		expect(actionOf(' ')).toBe('toggle');
		expect(actionOf('k')).toBe('toggle');
		expect(actionOf('j')).toBe('back');
		expect(actionOf('ArrowRight')).toBe('forward');
		expect(actionOf('ArrowUp')).toBe('louder');
		expect(actionOf('/')).toBe('search');
		expect(actionOf('/', { shiftKey: true })).toBe('search');
		expect(actionOf('?', { shiftKey: true })).toBe('help');
		expect(actionOf('k', { ctrlKey: true })).toBe('search');
		expect(actionOf('k', { metaKey: true })).toBe('search');
		expect(actionOf('x')).toBeNull();
	});

	it('are left alone while somebody types', () => {
		for (const html of [
			'<input>',
			'<textarea></textarea>',
			'<select></select>',
			'<p contenteditable data-here></p>'
		]) {
			expect(actionOf('n', { target: element(html) })).toBeNull();
			expect(actionOf(' ', { target: element(html) })).toBeNull();
		}
		expect(actionOf('k', { target: element('<input>'), ctrlKey: true })).toBe('search');
		expect(actionOf('n', { isComposing: true })).toBeNull();
	});

	it('leave a button its space and a list its arrows, but not the letters', () => {
		const button = element('<button>x</button>');
		expect(actionOf(' ', { target: button })).toBeNull();
		expect(actionOf('n', { target: button })).toBe('next');
		const row = element('<div role="grid"><div role="row" data-here></div></div>');
		expect(actionOf('ArrowDown', { target: row })).toBeNull();
		expect(actionOf('ArrowLeft', { target: element('<div role="slider"></div>') })).toBeNull();
	});

	it('do nothing below an open dialog or menu', () => {
		const inside = element('<div role="dialog"><p data-here></p></div>');
		expect(actionOf('n', { target: inside })).toBeNull();
		expect(actionOf('k', { target: inside, ctrlKey: true })).toBeNull();
	});

	it('do nothing that another part of the page has done already, nor with other modifiers', () => {
		expect(actionOf('n', { defaultPrevented: true })).toBeNull();
		expect(actionOf('n', { ctrlKey: true })).toBeNull();
		expect(actionOf('n', { altKey: true })).toBeNull();
		expect(actionOf('N', { shiftKey: true })).toBeNull();
	});

	it('go places with g and a letter, unless the letter comes late', () => {
		const keys = new Shortcuts();
		expect(keys.actionFor(press('g'))).toBeNull();
		expect(keys.actionFor(press('l', { timeStamp: 500 }))).toBe('library');
		expect(keys.actionFor(press('l', { timeStamp: 600 }))).toBe('forward');
		keys.actionFor(press('g', { timeStamp: 1000 }));
		expect(keys.actionFor(press('l', { timeStamp: 9000 }))).toBe('forward');
		keys.actionFor(press('g', { timeStamp: 10_000 }));
		expect(keys.actionFor(press('h', { timeStamp: 10_100 }))).toBe('home');
	});
});
