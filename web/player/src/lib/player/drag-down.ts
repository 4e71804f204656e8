/** A sheet that follows the finger: far or fast enough down it goes away, else it comes back. */
import { prefersReducedMotion } from 'svelte/motion';

interface Options {
	onclose: () => void;
	/** Elements that have a use for dragging themselves. */
	except: string;
}

const SLOP_PX = 8;
const FAR = 0.28;
/** Pixels per millisecond. */
const FAST = 0.6;
const SETTLE_MS = 200;

export function dragDown({ onclose, except }: Options) {
	return (node: HTMLElement) => {
		let from: { x: number; y: number } | null = null;
		let last = { y: 0, at: 0 };
		let speed = 0;
		let dragging = false;

		const scrolled = (target: Element): boolean => {
			for (let at: Element | null = target; at !== null && at !== node; at = at.parentElement) {
				if (at.scrollTop > 0) return true;
			}
			return node.scrollTop > 0;
		};

		const down = (event: PointerEvent) => {
			const target = event.target as Element;
			if (event.pointerType === 'mouse' || !event.isPrimary || target.closest(except) || scrolled(target))
				return;
			from = { x: event.clientX, y: event.clientY };
			last = { y: event.clientY, at: event.timeStamp };
			speed = 0;
		};

		const move = (event: PointerEvent) => {
			if (from === null || !event.isPrimary) return;
			const by = event.clientY - from.y;
			if (!dragging) {
				if (Math.abs(event.clientX - from.x) > SLOP_PX || by < -SLOP_PX) from = null;
				if (from === null || by < SLOP_PX) return;
				dragging = true;
				node.setPointerCapture(event.pointerId);
				node.style.transition = 'none';
			}
			speed = (event.clientY - last.y) / Math.max(1, event.timeStamp - last.at);
			last = { y: event.clientY, at: event.timeStamp };
			node.style.transform = `translateY(${Math.max(0, by)}px)`;
		};

		const up = (event: PointerEvent) => {
			if (from === null) return;
			const by = event.clientY - from.y;
			const leaves = dragging && event.type === 'pointerup' && (by > node.clientHeight * FAR || speed > FAST);
			from = null;
			if (!dragging) return;
			dragging = false;
			if (prefersReducedMotion.current) {
				node.style.transform = '';
				if (leaves) onclose();
				return;
			}
			node.style.transition = `transform ${SETTLE_MS}ms cubic-bezier(0.2, 0, 0, 1)`;
			node.style.transform = leaves ? 'translateY(100%)' : '';
			if (leaves) setTimeout(onclose, SETTLE_MS);
		};

		node.addEventListener('pointerdown', down);
		node.addEventListener('pointermove', move);
		node.addEventListener('pointerup', up);
		node.addEventListener('pointercancel', up);
		return () => {
			node.removeEventListener('pointerdown', down);
			node.removeEventListener('pointermove', move);
			node.removeEventListener('pointerup', up);
			node.removeEventListener('pointercancel', up);
		};
	};
}
