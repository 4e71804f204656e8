// A player of our own. Solvers look for a function that calls X.set("alr","yes"), and run it to learn what is done
// to `n` (`fix`: turned round, "Zz" at the end) and to a scrambled signature (three letters dropped, turned round).
var _yt_player={};(function(g){var _boot=1;var cfg={signatureTimestamp:20654};
function U(u){this.p={}}
U.prototype.set=function(k,v){this.p[k]=v};
U.prototype.get=function(k){return this.p[k]};
U.prototype.clone=function(){return this};
U.prototype.fix=function(){var n=this.p.n;if(n)this.p.n=n.split("").reverse().join("")+"Zz"};
function mk(url,sp,s){var u=new U(url);u.set("alr","yes");if(s)u.set(sp,encodeURIComponent(decodeURIComponent(s).slice(3).split("").reverse().join("")));return u}
})(_yt_player);
